export { openSFTP } from './open'
export { SFTP } from './sftp'
