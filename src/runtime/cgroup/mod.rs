use super::spec::Limits;
#[derive(Debug)]
pub struct Cgroup;
impl Cgroup {
    pub fn create(_: &Limits) -> std::io::Result<Cgroup> {
        Err(std::io::Error::other("x"))
    }
    pub fn add(&self, _: i32) -> std::io::Result<()> {
        Ok(())
    }
    pub fn memory_peak(&self) -> Option<u64> {
        None
    }
    pub fn memory_kernel(&self) -> Option<u64> {
        None
    }
    pub fn was_oom_killed(&self) -> bool {
        false
    }
    pub fn kill(&self) {}
    pub fn remove(self) -> std::io::Result<()> {
        Ok(())
    }
}
pub fn sweep_stale() {}
