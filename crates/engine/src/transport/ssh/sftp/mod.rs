//! Files over SSH: SFTP version 3, spoken by ourselves.
//!
//! - `wire`, `decode`, `packet`, `attributes`, `assembler`, `reply`, `status`, `features`, `path`: the protocol
//! - `shared`, `driver`, `open`, `session`: a session, from its channel to its end
//! - `operations`, `remote_file`: one question, one answer
//! - `upload`, `writes`, `download`, `reads`, `local`, `progress`: whole files

mod assembler;
mod attributes;
mod decode;
mod download;
mod driver;
mod features;
mod local;
mod open;
mod operations;
mod packet;
pub mod path;
mod progress;
mod reads;
mod remote_file;
mod reply;
mod session;
mod shared;
mod status;
mod upload;
mod wire;
mod writes;

pub use attributes::{Attributes, FileType};
pub use download::DownloadOptions;
pub use features::Features;
pub use local::Placing;
pub use open::SessionOptions;
pub use operations::Listing;
pub use progress::{Figures, Progress, Watch};
pub use reply::Name;
pub use session::Sftp;
pub use upload::UploadOptions;
