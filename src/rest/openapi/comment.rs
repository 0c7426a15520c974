//! The comments of the protos, which are the descriptions in the document.

use prost_reflect::FileDescriptor;

/// The comment in front of the element at `path` in a file; empty if there is none.
pub(super) fn of(file: &FileDescriptor, path: &[i32]) -> String {
    let info = file.file_descriptor_proto().source_code_info.as_ref();
    let location = info.and_then(|info| info.location.iter().find(|location| location.path == path));
    let text = location.map(|location| location.leading_comments()).unwrap_or_default();
    // Each line begins with the space that follows the slashes.
    let lines: Vec<_> = text.lines().map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end()).collect();
    lines.join("\n").trim_matches('\n').to_owned()
}

/// The first sentence of a comment, on one line, for the list of operations.
pub(super) fn summary(comment: &str) -> String {
    let paragraph = comment.split("\n\n").next().unwrap_or_default().replace('\n', " ");
    let end = paragraph.find([':', '.', ';']).unwrap_or(paragraph.len());
    paragraph.get(..end).unwrap_or_default().to_owned()
}
