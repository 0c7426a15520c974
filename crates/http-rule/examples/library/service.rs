//! The gRPC service of the example, and the descriptors of its proto. The messages and the server are what
//! tonic-prost-build generates from `library.proto`, written by hand and shorter, so that the example needs no build
//! script. In your program, use the generated server.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use tonic::body::Body;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;
use tower::service_fn;

#[derive(Clone, PartialEq, prost::Message)]
struct Book {
    #[prost(uint32, tag = "1")]
    id: u32,
    #[prost(string, tag = "2")]
    title: String,
    #[prost(int32, tag = "3")]
    year: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct GetBookRequest {
    #[prost(uint32, tag = "1")]
    id: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct AddBookRequest {
    #[prost(message, optional, tag = "1")]
    book: Option<Book>,
}

/// The books, in memory.
#[derive(Clone, Default)]
pub struct Library(Arc<Mutex<Vec<Book>>>);

impl Library {
    fn get_book(&self, request: &GetBookRequest) -> Result<Book, Status> {
        let books = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        books.iter().find(|book| book.id == request.id).cloned().ok_or_else(|| Status::not_found("no book has this id"))
    }

    fn add_book(&self, request: AddBookRequest) -> Result<Book, Status> {
        let mut books = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut book = request.book.ok_or_else(|| Status::invalid_argument("book is required"))?;
        book.id = u32::try_from(books.len() + 1).map_err(|_| Status::resource_exhausted("the shelves are full"))?;
        books.push(book.clone());
        Ok(book)
    }

    /// The gRPC server: `LibraryServer::new(library)` if it were generated.
    pub async fn serve(self, request: http::Request<Body>) -> Result<http::Response<Body>, Infallible> {
        let path = request.uri().path().to_owned();
        Ok(match path.as_str() {
            "/library.v1.Library/GetBook" => {
                let get = service_fn(|request: Request<GetBookRequest>| {
                    let book = self.get_book(request.get_ref());
                    async { book.map(Response::new) }
                });
                tonic::server::Grpc::new(ProstCodec::default()).unary(get, request).await
            }
            "/library.v1.Library/AddBook" => {
                let add = service_fn(|request: Request<AddBookRequest>| {
                    let book = self.add_book(request.into_inner());
                    async { book.map(Response::new) }
                });
                tonic::server::Grpc::new(ProstCodec::default()).unary(add, request).await
            }
            _ => Status::unimplemented("there is no such RPC").into_http(),
        })
    }
}

/// The descriptors of `library.proto`. A program with a build script embeds them with `include_bytes!`.
pub fn descriptors() -> Result<Vec<u8>, protox::Error> {
    let package = env!("CARGO_MANIFEST_DIR");
    let mut compiler = protox::Compiler::new([format!("{package}/examples/library"), format!("{package}/proto")])?;
    let details = ["google/rpc/status.proto", "google/rpc/error_details.proto"];
    compiler.include_imports(true).open_file("library.proto")?.open_files(details)?;
    Ok(compiler.encode_file_descriptor_set())
}
