//! Placeholder until the async stack can be embedded.
use linger_proto::Instant;
#[derive(Default)]
pub(crate) struct Tasks {}
impl Tasks {
    pub(crate) fn set_clock(&self, _at: Instant) {}
}
impl crate::Sim {
    pub(crate) fn run_tasks(&mut self, _until: Instant) -> Result<(), crate::Failure> {
        Ok(())
    }
}
