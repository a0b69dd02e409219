use std::path::PathBuf;

use napi::bindgen_prelude::{Function, Object};
use napi::{Env, Result};
use napi_derive::napi;
use xec_engine::error::Error;
use xec_engine::run::Cancel;
use xec_engine::transport::ssh::sftp::path::from_text;
use xec_engine::transport::ssh::sftp::{Attributes, ReadStream, SessionOptions, Sftp, WriteStream};

use crate::cancel::CancelToken;
use crate::options::{SudoSpec, TargetSpec, duration};
use crate::origin::Origin;
use crate::runtime;
use crate::sftp_records::{
    CandidateRecord, DownloadSpec, EntryRecord, ReaderOutcome, SftpAnswer, SftpOutcome, TreeSpec, UploadSpec,
    WriterOutcome, write_mode,
};
use crate::sftp_streams::{NativeReadStream, NativeWriteStream};
use crate::ssh_pool::NativePool;
use crate::transfer::{TransferToken, filter};

#[napi]
impl NativePool {
    /// Opens an SFTP session on a connection for files and streams. `silence`: milliseconds, 0 = no limit. `sudo`:
    /// whose files, if not the login user's.
    #[napi(ts_return_type = "Promise<SftpOutcome>")]
    pub fn sftp<'env>(
        &self,
        env: &'env Env,
        target: TargetSpec,
        priority: i32,
        silence: f64,
        sudo: Option<SudoSpec>,
        cancel: Option<&CancelToken>,
    ) -> Result<Object<'env>> {
        let request = self.bulk_request(target, priority)?;
        let origin = Origin::of(&request);
        let silence = Some(duration("timeout", silence)?).filter(|silence| !silence.is_zero());
        let cancel = cancel.map_or_else(Cancel::default, |token| token.cancel.clone());
        let options = SessionOptions { silence, sudo: sudo.map(SudoSpec::into_sudo).transpose()? };
        let opening = Sftp::open(self.shared_pool(), request, options, cancel);
        runtime::promise(env, async move {
            match opening.await {
                Ok(sftp) => SftpOutcome { session: Some(NativeSftp { sftp, origin }), failure: None },
                Err(error) => SftpOutcome { session: None, failure: Some(origin.failure(&error)) },
            }
        })
    }
}

/// An SFTP session. When it is garbage-collected, it ends after what it was asked for before.
#[napi]
pub struct NativeSftp {
    sftp: Sftp,
    origin: Origin,
}

#[napi]
impl NativeSftp {
    /// `stat`, `lstat`, `realpath`, `readlink`, `readdir`, `remove`, `rmdir`, `rm`: everything that takes one path.
    #[napi(ts_return_type = "Promise<SftpAnswer>")]
    pub fn ask<'env>(&self, env: &'env Env, what: String, path: String) -> Result<Object<'env>> {
        let (sftp, path) = (self.sftp.clone(), from_text(&path));
        self.answer(env, async move {
            Ok(match what.as_str() {
                "stat" => SftpAnswer::of_attributes(&sftp.stat(&path).await?),
                "lstat" => SftpAnswer::of_attributes(&sftp.lstat(&path).await?),
                "realpath" => SftpAnswer::of_path(&sftp.real_path(&path).await?),
                "readlink" => SftpAnswer::of_path(&sftp.read_link(&path).await?),
                "readdir" => SftpAnswer::of_entries(sftp.list(&path).await?.iter().map(EntryRecord::from).collect()),
                "remove" => sftp.remove(&path).await.map(|()| SftpAnswer::default())?,
                "rmdir" => sftp.remove_directory(&path).await.map(|()| SftpAnswer::default())?,
                "rm" => sftp.remove_all(&path).await.map(|()| SftpAnswer::default())?,
                _ => return Err(Error::Internal { what: "an SFTP question that there is not" }),
            })
        })
    }

    #[napi(ts_return_type = "Promise<SftpAnswer>")]
    pub fn mkdir<'env>(
        &self,
        env: &'env Env,
        path: String,
        mode: Option<u32>,
        recursive: bool,
    ) -> Result<Object<'env>> {
        let (sftp, path) = (self.sftp.clone(), from_text(&path));
        self.answer(env, async move {
            if recursive {
                sftp.make_directories(&path, mode).await?;
            } else {
                sftp.make_directory(&path, mode).await?;
            }
            Ok(SftpAnswer::default())
        })
    }

    /// `overwrite`: what has the new name is replaced.
    #[napi(ts_return_type = "Promise<SftpAnswer>")]
    pub fn rename<'env>(&self, env: &'env Env, from: String, to: String, overwrite: bool) -> Result<Object<'env>> {
        let (sftp, from, to) = (self.sftp.clone(), from_text(&from), from_text(&to));
        self.answer(env, async move {
            if overwrite {
                sftp.replace(&from, &to).await?;
            } else {
                sftp.rename(&from, &to).await?;
            }
            Ok(SftpAnswer::default())
        })
    }

    /// What the link says is not a path of ours: it is taken as it is.
    #[napi(ts_return_type = "Promise<SftpAnswer>")]
    pub fn symlink<'env>(&self, env: &'env Env, target: String, path: String) -> Result<Object<'env>> {
        let (sftp, path) = (self.sftp.clone(), from_text(&path));
        self.answer(env, async move { sftp.symlink(target.as_bytes(), &path).await.map(|()| SftpAnswer::default()) })
    }

    /// Changes what is given: mode, owner (user and group), times (seconds).
    #[napi(ts_return_type = "Promise<SftpAnswer>")]
    pub fn change<'env>(
        &self,
        env: &'env Env,
        path: String,
        mode: Option<u32>,
        owner: Option<(u32, u32)>,
        times: Option<(u32, u32)>,
    ) -> Result<Object<'env>> {
        let (sftp, path) = (self.sftp.clone(), from_text(&path));
        let attributes = Attributes { size: None, owner, mode, times };
        self.answer(env, async move { sftp.set(&path, &attributes).await.map(|()| SftpAnswer::default()) })
    }

    #[napi(ts_return_type = "Promise<SftpAnswer>")]
    pub fn upload<'env>(
        &self,
        env: &'env Env,
        local: String,
        remote: String,
        options: UploadSpec,
        token: &TransferToken,
    ) -> Result<Object<'env>> {
        let (sftp, remote, watch) = (self.sftp.clone(), from_text(&remote), token.watch());
        let options = options.into();
        self.answer(env, async move {
            sftp.upload(&PathBuf::from(local), &remote, &options, &watch).await.map(SftpAnswer::of_bytes)
        })
    }

    #[napi(ts_return_type = "Promise<SftpAnswer>")]
    pub fn download<'env>(
        &self,
        env: &'env Env,
        remote: String,
        local: String,
        options: DownloadSpec,
        token: &TransferToken,
    ) -> Result<Object<'env>> {
        let (sftp, remote, watch) = (self.sftp.clone(), from_text(&remote), token.watch());
        let options = options.into();
        self.answer(env, async move {
            sftp.download(&remote, &PathBuf::from(local), &options, &watch).await.map(SftpAnswer::of_bytes)
        })
    }

    /// `filter` gets the entries of a directory, or a part of them, and answers with as many truth values. It must not throw.
    #[napi(
        ts_args_type = "local: string, remote: string, options: TreeSpec, token: TransferToken, filter?: (candidates: Array<CandidateRecord>) => Array<boolean>",
        ts_return_type = "Promise<SftpAnswer>"
    )]
    pub fn upload_tree<'env>(
        &self,
        env: &'env Env,
        local: String,
        remote: String,
        options: TreeSpec,
        token: &TransferToken,
        wanted: Option<Function<'_, Vec<CandidateRecord>, Vec<bool>>>,
    ) -> Result<Object<'env>> {
        let (sftp, remote, watch) = (self.sftp.clone(), from_text(&remote), token.watch());
        let (options, origin) = (options.options(wanted.map(filter).transpose()?)?, self.origin.clone());
        self.answer(env, async move {
            let report = sftp.upload_tree(&PathBuf::from(local), &remote, &options, &watch).await?;
            Ok(SftpAnswer::of_report(report, &origin))
        })
    }

    /// As `uploadTree`, the other way.
    #[napi(
        ts_args_type = "remote: string, local: string, options: TreeSpec, token: TransferToken, filter?: (candidates: Array<CandidateRecord>) => Array<boolean>",
        ts_return_type = "Promise<SftpAnswer>"
    )]
    pub fn download_tree<'env>(
        &self,
        env: &'env Env,
        remote: String,
        local: String,
        options: TreeSpec,
        token: &TransferToken,
        wanted: Option<Function<'_, Vec<CandidateRecord>, Vec<bool>>>,
    ) -> Result<Object<'env>> {
        let (sftp, remote, watch) = (self.sftp.clone(), from_text(&remote), token.watch());
        let (options, origin) = (options.options(wanted.map(filter).transpose()?)?, self.origin.clone());
        self.answer(env, async move {
            let report = sftp.download_tree(&remote, &PathBuf::from(local), &options, &watch).await?;
            Ok(SftpAnswer::of_report(report, &origin))
        })
    }

    /// `end`: the first byte that is not read.
    #[napi(ts_return_type = "Promise<ReaderOutcome>")]
    pub fn open_read<'env>(&self, env: &'env Env, path: String, start: f64, end: Option<f64>) -> Result<Object<'env>> {
        let (sftp, path, origin) = (self.sftp.clone(), from_text(&path), self.origin.clone());
        runtime::promise(env, async move {
            match ReadStream::open(&sftp, &path, start as u64, end.map(|end| end as u64)).await {
                Ok(stream) => ReaderOutcome { stream: Some(NativeReadStream::new(stream, origin)), failure: None },
                Err(error) => ReaderOutcome { stream: None, failure: Some(origin.failure(&error)) },
            }
        })
    }

    /// `how`: `w`, `wx`, `a` or `r+`.
    #[napi(ts_return_type = "Promise<WriterOutcome>")]
    pub fn open_write<'env>(
        &self,
        env: &'env Env,
        path: String,
        how: String,
        mode: Option<u32>,
        start: f64,
    ) -> Result<Object<'env>> {
        let (sftp, path, origin) = (self.sftp.clone(), from_text(&path), self.origin.clone());
        let how = write_mode(&how)?;
        runtime::promise(env, async move {
            match WriteStream::open(&sftp, &path, how, mode, start as u64).await {
                Ok(stream) => WriterOutcome { stream: Some(NativeWriteStream::new(stream, origin)), failure: None },
                Err(error) => WriterOutcome { stream: None, failure: Some(origin.failure(&error)) },
            }
        })
    }

    /// Ends the session; what was asked before is answered.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn close<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let sftp = self.sftp.clone();
        runtime::promise(env, runtime::begun(async move { sftp.close().await })?)
    }

    #[napi(getter)]
    pub fn closed(&self) -> bool {
        self.sftp.is_closed()
    }

    fn answer<'env>(
        &self,
        env: &'env Env,
        work: impl Future<Output = std::result::Result<SftpAnswer, Error>> + Send + 'static,
    ) -> Result<Object<'env>> {
        runtime::promise(env, runtime::begun(SftpAnswer::of(work, self.origin.clone()))?)
    }
}
