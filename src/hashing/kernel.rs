//! The kernel that hashes passwords: the setting, and a check of its answers. Separate because it is decided once, at
//! the start, by the features of the processor.

use argon2_kernel::{Choice, Kernel};

/// The value of the setting `HASH_KERNEL`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KernelSetting {
    /// The fastest kernel that this processor supports.
    Auto,
    /// One kernel, which this processor supports.
    Only(Kernel),
}

/// Reads `auto`, or the name of a kernel that this processor supports.
pub fn parse(text: &str) -> Result<KernelSetting, String> {
    if text == "auto" {
        return Ok(KernelSetting::Auto);
    }
    let found = Kernel::available().find(|kernel| kernel.name() == text);
    found.map(KernelSetting::Only).ok_or_else(|| {
        let names: Vec<_> = Kernel::available().map(Kernel::name).collect();
        format!("this processor has no such kernel: write auto or one of {}", names.join(", "))
    })
}

impl KernelSetting {
    /// Tries the kernel once, which takes a millisecond. When its answer is wrong, another kernel is used and `warn` is
    /// called: passwords that a faulty kernel had hashed could not be verified by any other replica.
    pub fn kernel(self, warn: impl FnOnce(&str)) -> Result<Kernel, argon2_kernel::Error> {
        let choice = match self {
            Self::Auto => Kernel::choose()?,
            Self::Only(kernel) => kernel.or_portable()?,
        };
        Ok(trusted(choice, warn))
    }
}

fn trusted(Choice { kernel, wrong }: Choice, warn: impl FnOnce(&str)) -> Kernel {
    if let Some(wrong) = wrong {
        warn(&format!(
            "the {wrong} kernel gives a wrong hash on this machine: its processor, memory or build is broken. Passwords are \
             hashed with the {kernel} one, which is slower and right"
        ));
    }
    kernel
}

#[cfg(test)]
mod tests {
    use argon2_kernel::{Choice, Kernel};

    use super::{KernelSetting, parse, trusted};

    #[test]
    fn every_kernel_of_this_processor_can_be_set_and_is_tried() {
        for kernel in Kernel::available() {
            let setting = parse(kernel.name()).unwrap();
            let chosen = setting.kernel(|warning| panic!("{warning}"));
            assert_eq!((setting, chosen), (KernelSetting::Only(kernel), Ok(kernel)));
        }
        let fastest = parse("auto").unwrap().kernel(|warning| panic!("{warning}"));
        assert_eq!(fastest.ok(), Kernel::available().next());
    }

    #[test]
    fn a_kernel_that_errs_is_told_of_with_what_is_used_instead() {
        let wrong = Kernel::available().next();
        let mut told = String::new();
        let choice = Choice { kernel: Kernel::PORTABLE, wrong };
        assert_eq!(trusted(choice, |warning| told = warning.to_owned()), Kernel::PORTABLE);
        let expected = format!("the {} kernel gives a wrong hash on this machine", wrong.unwrap());
        assert!(told.starts_with(&expected) && told.contains("hashed with the portable one"), "{told}");
    }

    #[test]
    fn what_this_processor_has_not_is_refused_and_what_it_has_is_told() {
        for text in ["", "AUTO", "avx1024", "neon", "portable "] {
            let told = parse(text).unwrap_err();
            assert!(told.contains("write auto or one of") && told.ends_with("portable"), "{text}: {told}");
        }
    }
}
