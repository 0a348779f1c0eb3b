//! Splits off the part of the samples that only a measurement can show.

use crate::profile::{Frame, Kind, Profile, Tag, Unit};
use crate::{Error, Role, Roles};

/// The frame for time that was measured, not sampled.
const PAGE_FAULTS: &str = "page faults (derived)";

impl Profile {
    /// Splits the measured time of page faults, in nanoseconds per operation, off the samples of the side's kernel,
    /// each losing the same share. To a sampler inside the process, a fault looks like the loop that touched the page.
    /// The added frame says "(derived)", and its samples count 0.
    ///
    /// Faults that the samples do show, as perf's do, are subtracted first. Returns the part that was not split off
    /// because the kernel has less time than that.
    ///
    /// # Errors
    /// [`Error::Unweighed`] if the weights of the samples are not time per operation.
    pub fn split_page_faults(&mut self, tag: Tag, ns_per_operation: f64, roles: &Roles) -> Result<f64, Error> {
        if self.unit() != Unit::NanosecondsPerOperation {
            return Err(Error::Unweighed);
        }
        let roles = roles.of_all(self);
        let mut kernel = Vec::new();
        let (mut kernel_ns, mut seen_ns) = (0.0, 0.0);
        for (index, sample) in self.samples().iter().enumerate() {
            match self.role_of(sample.stack, &roles) {
                Some(Role::Kernel) if sample.tag == tag => {
                    kernel_ns += sample.weight;
                    kernel.push(index);
                }
                Some(Role::PageFault) if sample.tag == tag => seen_ns += sample.weight,
                _ => {}
            }
        }
        let wanted = (ns_per_operation - seen_ns).max(0.0);
        let moved = wanted.min(kernel_ns);
        if moved <= 0.0 {
            return Ok(wanted);
        }
        let share = moved / kernel_ns;
        let faults = self.intern(Frame { kind: Kind::Derived, ..Frame::native(PAGE_FAULTS) });
        for index in kernel {
            let sample = &mut self.samples_mut()[index];
            let part = sample.weight * share;
            sample.weight -= part;
            let (stack, thread) = (sample.stack, sample.thread);
            let stack = self.child(Some(stack), faults);
            self.add_weighed(stack, thread, tag, 0, part);
        }
        Ok(wanted - moved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Folded, Scale, Side};

    fn profile() -> Profile {
        let text = "array_multiply;FLOAT_multiply 60\narray_multiply;FLOAT_multiply;x 20\nmalloc 20\n";
        let mut profile = Profile::from(&Folded::parse(text).unwrap());
        let scale = Scale { seconds_per_sample: 1e-9, operations: 1.0 };
        profile.weigh(Tag::A, &scale).unwrap();
        profile
    }

    #[test]
    fn faults_come_off_the_kernel_and_the_sum_stays() {
        let mut profile = profile();
        let roles = Roles::default();
        let left = profile.split_page_faults(Tag::A, 40.0, &roles).unwrap();
        assert_eq!(left, 0.0);
        let by_role = Side::new(&profile, Tag::A).by_role(&roles);
        assert!((by_role[&Some(Role::PageFault)] - 40.0).abs() < 1e-9);
        assert!((by_role[&Some(Role::Kernel)] - 40.0).abs() < 1e-9);
        assert_eq!(by_role[&Some(Role::Allocation)], 20.0);
        assert_eq!(profile.tags()[&Tag::A].0, 100);
    }

    #[test]
    fn no_more_than_the_kernel_has_is_split_off() {
        let mut profile = profile();
        let left = profile.split_page_faults(Tag::A, 100.0, &Roles::default()).unwrap();
        assert!((left - 20.0).abs() < 1e-9, "{left}");
        assert!((profile.tags()[&Tag::A].1 - 100.0).abs() < 1e-9);
    }

    #[test]
    fn faults_that_were_sampled_are_not_counted_twice() {
        let text = "FLOAT_multiply 60\nFLOAT_multiply;asm_exc_page_fault_[k] 30\n";
        let mut profile = Profile::from(&Folded::parse(text).unwrap());
        let scale = Scale { seconds_per_sample: 1e-9, operations: 1.0 };
        profile.weigh(Tag::A, &scale).unwrap();
        let roles = Roles::default();
        assert_eq!(profile.split_page_faults(Tag::A, 35.0, &roles).unwrap(), 0.0);
        let by_role = Side::new(&profile, Tag::A).by_role(&roles);
        assert!((by_role[&Some(Role::PageFault)] - 35.0).abs() < 1e-9);
    }

    #[test]
    fn counts_cannot_be_split_by_time() {
        let mut profile = Profile::from(&Folded::parse("FLOAT_multiply 3").unwrap());
        let split = profile.split_page_faults(Tag::A, 1.0, &Roles::default());
        assert!(matches!(split, Err(Error::Unweighed)));
    }
}
