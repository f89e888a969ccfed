//! stub
use super::ReportError;
use crate::results::density::DensityResults;
use std::path::Path;
/// x
pub fn print_and_write(results: &DensityResults, folder: &Path) -> Result<(), ReportError> {
    super::file::write_whole(&folder.join("density.json"), |out| Ok(serde_json::to_writer(out, results)?))
}
