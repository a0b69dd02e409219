use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use napi::bindgen_prelude::{Buffer, Object};
use napi::{Env, Error, Result};
use napi_derive::napi;
use tokio::sync::Mutex;
use xec_engine::archive::{Extra, PackSpec, Packing, Patterns, TreeReport, UnpackSpec, Unpacking};
use xec_engine::error::Error as EngineError;

use crate::failure::FailureRecord;
use crate::runtime;
use crate::sftp_streams::PieceOutcome;

/// A local tree to be packed.
#[napi(object)]
pub struct PackRecord {
    pub root: String,
    /// Absent: what is in the folder, without the folder.
    pub name: Option<String>,
    /// The text of a .dockerignore file.
    pub ignore: Option<String>,
    /// Not left out, whatever `ignore` says.
    pub keep: Option<Vec<String>>,
    pub extra: Option<Vec<ExtraFile>>,
    /// Whom failures are about.
    pub host: String,
}

#[napi(object)]
pub struct ExtraFile {
    pub name: String,
    pub content: Buffer,
}

#[napi(object)]
pub struct TreeReportRecord {
    pub files: f64,
    pub directories: f64,
    pub links: f64,
    pub bytes: f64,
    pub skipped: Vec<String>,
    pub skipped_count: f64,
}

impl From<TreeReport> for TreeReportRecord {
    fn from(report: TreeReport) -> Self {
        Self {
            files: report.files as f64,
            directories: report.directories as f64,
            links: report.links as f64,
            bytes: report.bytes as f64,
            skipped: report.skipped,
            skipped_count: report.skipped_count as f64,
        }
    }
}

/// Where an archive is unpacked to.
#[napi(object)]
pub struct UnpackRecord {
    pub base: String,
    pub keep_outside_links: bool,
    pub host: String,
}

/// Neither of the two where nothing is to be told.
#[napi(object)]
#[derive(Default)]
pub struct UnpackOutcome {
    pub report: Option<TreeReportRecord>,
    pub failure: Option<FailureRecord>,
}

fn failure(error: &EngineError, host: &str) -> FailureRecord {
    FailureRecord::new(error, host, 0)
}

/// A local tree as a tar stream.
#[napi]
pub struct NativePacking {
    /// `None` once closed.
    packing: Arc<Mutex<Option<Packing>>>,
    host: Arc<str>,
}

#[napi]
impl NativePacking {
    /// Throws where `ignore` has a line that is no pattern.
    #[napi(constructor)]
    pub fn new(record: PackRecord) -> Result<Self> {
        let mut ignore = Patterns::parse(record.ignore.as_deref().unwrap_or_default())
            .map_err(|bad| Error::from_reason(format!("line {}: '{}' is no pattern", bad.line, bad.pattern)))?;
        for path in record.keep.unwrap_or_default() {
            ignore.keep(&path);
        }
        let extra = record.extra.unwrap_or_default().into_iter();
        let spec = PackSpec {
            root: PathBuf::from(record.root),
            name: record.name,
            ignore,
            extra: extra.map(|file| Extra { name: file.name, content: Bytes::from(Vec::from(file.content)) }).collect(),
        };
        let runtime = runtime::handle()?;
        let _inside = runtime.enter();
        Ok(Self { packing: Arc::new(Mutex::new(Some(Packing::start(spec)))), host: record.host.into() })
    }

    #[napi(ts_return_type = "Promise<PieceOutcome>")]
    pub fn read<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let (packing, host) = (Arc::clone(&self.packing), Arc::clone(&self.host));
        runtime::promise(env, async move {
            let next = match packing.lock().await.as_mut() {
                Some(packing) => packing.next().await,
                None => Ok(None),
            };
            match next {
                Ok(data) => PieceOutcome { data: data.map(|data| Vec::from(data).into()), failure: None },
                Err(error) => PieceOutcome { data: None, failure: Some(failure(&error, &host)) },
            }
        })
    }

    /// Ends it and tells what was read.
    #[napi(ts_return_type = "Promise<UnpackOutcome>")]
    pub fn close<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let packing = Arc::clone(&self.packing);
        runtime::promise(env, async move {
            let report = packing.lock().await.take().map(|packing| packing.report().into());
            UnpackOutcome { report, failure: None }
        })
    }
}

/// A tar stream as a local tree.
#[napi]
pub struct NativeUnpacking {
    /// `None` once finished or closed.
    unpacking: Arc<Mutex<Option<Unpacking>>>,
    host: Arc<str>,
}

#[napi]
impl NativeUnpacking {
    #[napi(constructor)]
    pub fn new(record: UnpackRecord) -> Result<Self> {
        let UnpackRecord { base, keep_outside_links, host } = record;
        let runtime = runtime::handle()?;
        let _inside = runtime.enter();
        let unpacking = Unpacking::start(UnpackSpec { base: PathBuf::from(base), keep_outside_links });
        Ok(Self { unpacking: Arc::new(Mutex::new(Some(unpacking))), host: host.into() })
    }

    /// Resolves when there is room for more.
    #[napi(ts_return_type = "Promise<UnpackOutcome>")]
    pub fn write<'env>(&self, env: &'env Env, data: Buffer) -> Result<Object<'env>> {
        let (unpacking, host) = (Arc::clone(&self.unpacking), Arc::clone(&self.host));
        // A copy: JavaScript may change its bytes while they wait.
        let data = Bytes::from(Vec::from(data));
        runtime::promise(env, async move {
            let written = match unpacking.lock().await.as_mut() {
                Some(unpacking) => unpacking.write(data).await,
                None => Ok(()),
            };
            UnpackOutcome { report: None, failure: written.err().map(|error| failure(&error, &host)) }
        })
    }

    /// The stream has ended as it should; resolves when everything is in its place.
    #[napi(ts_return_type = "Promise<UnpackOutcome>")]
    pub fn finish<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let (unpacking, host) = (Arc::clone(&self.unpacking), Arc::clone(&self.host));
        runtime::promise(env, async move {
            let Some(unpacking) = unpacking.lock().await.take() else { return UnpackOutcome::default() };
            match unpacking.finish().await {
                Ok(report) => UnpackOutcome { report: Some(report.into()), failure: None },
                Err(error) => UnpackOutcome { report: None, failure: Some(failure(&error, &host)) },
            }
        })
    }

    /// Ends it with what is there.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn close<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let unpacking = Arc::clone(&self.unpacking);
        runtime::promise(env, async move { drop(unpacking.lock().await.take()) })
    }
}
