//! Files over SSH: SFTP version 3, spoken by ourselves.
//!
//! - `wire`, `decode`, `packet`, `attributes`, `assembler`, `reply`, `status`, `features`, `path`: the protocol
//! - `shared`, `driver`, `open`, `session`: a session, from its channel to its end
//! - `operations`, `replace`, `remote_file`: one question and one answer, or a few
//! - `upload`, `writes`, `download`, `reads`, `local`, `progress`: whole files
//! - `stream`: files at a caller's own pace
//! - `upload_tree`, `download_tree`, `crew`, `local_tree`, `trail`: whole trees

mod assembler;
mod attributes;
#[cfg(test)]
mod cancel_test;
mod crew;
mod decode;
mod download;
mod download_tree;
mod driver;
mod features;
#[cfg(test)]
mod hostile_test;
mod local;
mod local_tree;
mod open;
mod operations;
mod packet;
pub mod path;
mod progress;
mod reads;
mod remote_file;
mod replace;
#[cfg(test)]
mod replace_test;
mod reply;
mod session;
mod shared;
mod status;
mod stream;
mod trail;
mod upload;
mod upload_tree;
mod wire;
mod writes;

pub use attributes::{Attributes, FileType};
pub use crew::{Candidate, Failed, Filter, Symlinks, TreeOptions, TreeReport};
pub use download::DownloadOptions;
pub use features::Features;
pub use local::Placing;
pub use open::SessionOptions;
pub use operations::Listing;
pub use progress::{Figures, Progress, Watch};
pub use reply::Name;
pub use session::Sftp;
pub use stream::{ReadStream, WriteMode, WriteStream};
pub use upload::UploadOptions;
