//! Records of SFTP: options that come in, answers that go out.

use napi::{Error, Result, Status};
use napi_derive::napi;
use xec_engine::transport::ssh::sftp::{
    Attributes, DownloadOptions, Filter, Name, Placing, Symlinks, TreeOptions, TreeReport, UploadOptions, WriteMode,
};

use crate::failure::FailureRecord;
use crate::origin::Origin;
use crate::sftp::NativeSftp;
use crate::sftp_streams::{NativeReadStream, NativeWriteStream};

#[napi(object)]
pub struct UploadSpec {
    pub atomic: bool,
    pub resume: bool,
    pub preserve: bool,
    pub mode: Option<u32>,
    pub parents: bool,
    pub sync: bool,
}

#[napi(object)]
pub struct DownloadSpec {
    pub atomic: bool,
    pub resume: bool,
    pub preserve: bool,
    pub sync: bool,
}

#[napi(object)]
pub struct TreeSpec {
    pub concurrency: u32,
    /// `follow`, `recreate` or `skip`.
    pub symlinks: String,
    pub atomic: bool,
    pub preserve: bool,
}

/// An entry that a filter is asked about; its path from the root of the tree, with slashes.
#[napi(object)]
pub struct CandidateRecord {
    pub path: String,
    pub directory: bool,
}

/// What is known of a file. Times are seconds.
#[napi(object)]
pub struct AttributesRecord {
    /// `file`, `directory`, `symlink`, `other` or `unknown`.
    pub kind: String,
    pub size: Option<f64>,
    pub mode: Option<u32>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub atime: Option<u32>,
    pub mtime: Option<u32>,
}

#[napi(object)]
pub struct EntryRecord {
    pub name: String,
    pub longname: String,
    pub attributes: AttributesRecord,
}

#[napi(object)]
pub struct FailedRecord {
    pub path: String,
    pub failure: FailureRecord,
}

#[napi(object)]
pub struct TreeRecord {
    pub files: f64,
    pub directories: f64,
    pub symlinks: f64,
    pub bytes: f64,
    pub failed: Vec<FailedRecord>,
}

/// What was asked for, or the failure; nothing at all when it is just done.
#[napi(object)]
#[derive(Default)]
pub struct SftpAnswer {
    pub attributes: Option<AttributesRecord>,
    pub entries: Option<Vec<EntryRecord>>,
    pub path: Option<String>,
    pub bytes: Option<f64>,
    pub report: Option<TreeRecord>,
    pub failure: Option<FailureRecord>,
}

/// Exactly one of the two.
#[napi(object, object_from_js = false)]
pub struct SftpOutcome {
    pub session: Option<NativeSftp>,
    pub failure: Option<FailureRecord>,
}

/// Exactly one of the two.
#[napi(object, object_from_js = false)]
pub struct ReaderOutcome {
    pub stream: Option<NativeReadStream>,
    pub failure: Option<FailureRecord>,
}

/// Exactly one of the two.
#[napi(object, object_from_js = false)]
pub struct WriterOutcome {
    pub stream: Option<NativeWriteStream>,
    pub failure: Option<FailureRecord>,
}

impl From<UploadSpec> for UploadOptions {
    fn from(spec: UploadSpec) -> Self {
        let UploadSpec { atomic, resume, preserve, mode, parents, sync } = spec;
        Self { atomic, resume, preserve, mode, parents, sync }
    }
}

impl From<DownloadSpec> for DownloadOptions {
    fn from(spec: DownloadSpec) -> Self {
        let DownloadSpec { atomic, resume, preserve, sync } = spec;
        Self { placing: Placing { atomic, resume, no_follow: false }, preserve, sync }
    }
}

impl TreeSpec {
    pub fn options(self, filter: Option<Filter>) -> Result<TreeOptions> {
        let symlinks = match self.symlinks.as_str() {
            "follow" => Symlinks::Follow,
            "recreate" => Symlinks::Recreate,
            "skip" => Symlinks::Skip,
            _ => return Err(invalid("symlinks", "must be 'follow', 'recreate' or 'skip'")),
        };
        let Self { concurrency, atomic, preserve, .. } = self;
        Ok(TreeOptions { concurrency: concurrency as usize, symlinks, filter, atomic, preserve })
    }
}

pub fn write_mode(word: &str) -> Result<WriteMode> {
    match word {
        "w" => Ok(WriteMode::Truncate),
        "wx" => Ok(WriteMode::New),
        "a" => Ok(WriteMode::Append),
        "r+" => Ok(WriteMode::Update),
        _ => Err(invalid("flags", "must be 'w', 'wx', 'a' or 'r+'")),
    }
}

fn invalid(option: &str, problem: &str) -> Error {
    Error::new(Status::InvalidArg, format!("Invalid option '{option}': {problem}"))
}

impl From<&Attributes> for AttributesRecord {
    fn from(attributes: &Attributes) -> Self {
        Self {
            kind: attributes.file_type().as_str().to_owned(),
            size: attributes.size.map(|size| size as f64),
            mode: attributes.mode,
            uid: attributes.owner.map(|(user, _)| user),
            gid: attributes.owner.map(|(_, group)| group),
            atime: attributes.times.map(|(accessed, _)| accessed),
            mtime: attributes.times.map(|(_, modified)| modified),
        }
    }
}

impl From<&Name> for EntryRecord {
    fn from(name: &Name) -> Self {
        Self { name: text(&name.name), longname: text(&name.long), attributes: (&name.attributes).into() }
    }
}

impl SftpAnswer {
    pub fn failed(failure: FailureRecord) -> Self {
        Self { failure: Some(failure), ..Self::default() }
    }

    pub fn of_attributes(attributes: &Attributes) -> Self {
        Self { attributes: Some(attributes.into()), ..Self::default() }
    }

    pub fn of_entries(entries: Vec<EntryRecord>) -> Self {
        Self { entries: Some(entries), ..Self::default() }
    }

    pub fn of_path(path: &[u8]) -> Self {
        Self { path: Some(text(path)), ..Self::default() }
    }

    pub fn of_bytes(bytes: u64) -> Self {
        Self { bytes: Some(bytes as f64), ..Self::default() }
    }

    /// What some work gave, or why it failed.
    pub async fn of(
        work: impl Future<Output = std::result::Result<Self, xec_engine::error::Error>>,
        origin: Origin,
    ) -> Self {
        work.await.unwrap_or_else(|error| Self::failed(origin.failure(&error)))
    }

    pub fn of_report(report: TreeReport, origin: &Origin) -> Self {
        let failed = report.failed.into_iter();
        let report = TreeRecord {
            files: report.files as f64,
            directories: report.directories as f64,
            symlinks: report.symlinks as f64,
            bytes: report.bytes as f64,
            failed: failed
                .map(|failed| FailedRecord { path: failed.path, failure: origin.failure(&failed.error) })
                .collect(),
        };
        Self { report: Some(report), ..Self::default() }
    }
}

/// JavaScript's strings are text, also where a server's names are not.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
