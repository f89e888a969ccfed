//! What the results say of an outside tool.

use serde::{Deserialize, Serialize};

/// One outside tool that took part in a comparison.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExternalTool {
    /// The runtime's name.
    pub runtime: String,
    /// The program's path.
    pub program: String,
    /// The first line of what it says of its version.
    pub version: String,
    /// What remains different from our container in spite of the same program, limits, network and streams.
    pub differences: Vec<String>,
    /// Memory of its daemons with no sandbox running, in bytes of PSS: it is there once, however many sandboxes run.
    pub daemon_pss_bytes: Option<u64>,
}
