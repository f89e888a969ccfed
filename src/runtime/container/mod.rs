use super::launcher::recipe::Recipe;
use super::*;
pub fn check() -> Result<Vec<String>, Unavailable> {
    Err(Unavailable { reason: "x".into(), fix: "y".into() })
}
pub fn prepare(_: &LaunchSpec) -> Result<Box<dyn Recipe>, RuntimeError> {
    Err(RuntimeError::BadSpec("x".into()))
}
