//! Which kernel passwords are hashed with: the setting, and whether its answers are right. Separate because it is decided
//! once, at the start, by what the processor has.

use argon2_kernel::{Choice, Kernel};

/// `HASH_KERNEL`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KernelSetting {
    /// The fastest that this processor has.
    Auto,
    /// This one, which this processor has.
    Only(Kernel),
}

/// `auto`, or the name of a kernel that this processor has.
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
    /// Tries it once, which takes a millisecond. A kernel that errs must not hash: whoever registers with it could never sign
    /// in elsewhere.
    pub fn kernel(self) -> Kernel {
        let Choice { kernel, wrong } = match self {
            Self::Auto => Kernel::choose(),
            Self::Only(kernel) => kernel.or_portable(),
        };
        if let Some(wrong) = wrong {
            tracing::warn!(
                event = "kernel",
                %wrong,
                "the {wrong} kernel gives a wrong hash on this machine: its processor, memory or build is broken. Passwords are \
                 hashed with the {kernel} one, which is slower and right"
            );
        }
        kernel
    }
}

#[cfg(test)]
mod tests {
    use argon2_kernel::Kernel;

    use super::{KernelSetting, parse};

    #[test]
    fn every_kernel_of_this_processor_can_be_set_and_is_tried() {
        for kernel in Kernel::available() {
            let setting = parse(kernel.name()).unwrap();
            assert_eq!((setting, setting.kernel()), (KernelSetting::Only(kernel), kernel));
        }
        assert_eq!(Some(parse("auto").unwrap().kernel()), Kernel::available().next());
    }

    #[test]
    fn what_this_processor_has_not_is_refused_and_what_it_has_is_told() {
        for text in ["", "AUTO", "avx1024", "neon", "portable "] {
            let told = parse(text).unwrap_err();
            assert!(told.contains("write auto or one of") && told.ends_with("portable"), "{text}: {told}");
        }
    }
}
