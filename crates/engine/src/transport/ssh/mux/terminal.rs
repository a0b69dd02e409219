//! A visitor's terminal, in SSH's words (RFC 4254, section 8).

use std::os::fd::AsFd;

use russh::Pty;
use rustix::termios::{
    ControlModes, InputModes, LocalModes, OutputModes, SpecialCodeIndex, Termios, tcgetattr, tcgetwinsize,
};

/// Columns, rows, and the same in pixels.
pub type Size = (u32, u32, u32, u32);

/// What is assumed of something that is no terminal.
const DEFAULT_SIZE: Size = (80, 24, 0, 0);

pub fn size(terminal: impl AsFd) -> Size {
    tcgetwinsize(terminal).map_or(DEFAULT_SIZE, |size| {
        (size.ws_col.into(), size.ws_row.into(), size.ws_xpixel.into(), size.ws_ypixel.into())
    })
}

/// Its settings; none for something that is no terminal: the server then has its own.
pub fn modes(terminal: impl AsFd) -> Vec<(Pty, u32)> {
    tcgetattr(terminal).map_or_else(|_| Vec::new(), |settings| modes_of(&settings))
}

fn modes_of(settings: &Termios) -> Vec<(Pty, u32)> {
    let codes = CODES.iter().map(|(name, index)| (*name, u32::from(settings.special_codes[*index])));
    let input = INPUT.iter().map(|(name, mode)| (*name, settings.input_modes.contains(*mode).into()));
    let local = LOCAL.iter().map(|(name, mode)| (*name, settings.local_modes.contains(*mode).into()));
    let output = OUTPUT.iter().map(|(name, mode)| (*name, settings.output_modes.contains(*mode).into()));
    let control = CONTROL.iter().map(|(name, mode)| (*name, settings.control_modes.contains(*mode).into()));
    let speeds = [(Pty::TTY_OP_ISPEED, settings.input_speed()), (Pty::TTY_OP_OSPEED, settings.output_speed())];
    codes.chain(input).chain(local).chain(output).chain(control).chain(speeds).collect()
}

const CODES: [(Pty, SpecialCodeIndex); 13] = [
    (Pty::VINTR, SpecialCodeIndex::VINTR),
    (Pty::VQUIT, SpecialCodeIndex::VQUIT),
    (Pty::VERASE, SpecialCodeIndex::VERASE),
    (Pty::VKILL, SpecialCodeIndex::VKILL),
    (Pty::VEOF, SpecialCodeIndex::VEOF),
    (Pty::VEOL, SpecialCodeIndex::VEOL),
    (Pty::VEOL2, SpecialCodeIndex::VEOL2),
    (Pty::VSTART, SpecialCodeIndex::VSTART),
    (Pty::VSTOP, SpecialCodeIndex::VSTOP),
    (Pty::VSUSP, SpecialCodeIndex::VSUSP),
    (Pty::VREPRINT, SpecialCodeIndex::VREPRINT),
    (Pty::VWERASE, SpecialCodeIndex::VWERASE),
    (Pty::VLNEXT, SpecialCodeIndex::VLNEXT),
];

const INPUT: [(Pty, InputModes); 10] = [
    (Pty::IGNPAR, InputModes::IGNPAR),
    (Pty::PARMRK, InputModes::PARMRK),
    (Pty::INPCK, InputModes::INPCK),
    (Pty::ISTRIP, InputModes::ISTRIP),
    (Pty::INLCR, InputModes::INLCR),
    (Pty::IGNCR, InputModes::IGNCR),
    (Pty::ICRNL, InputModes::ICRNL),
    (Pty::IXON, InputModes::IXON),
    (Pty::IXANY, InputModes::IXANY),
    (Pty::IXOFF, InputModes::IXOFF),
];

const LOCAL: [(Pty, LocalModes); 9] = [
    (Pty::ISIG, LocalModes::ISIG),
    (Pty::ICANON, LocalModes::ICANON),
    (Pty::ECHO, LocalModes::ECHO),
    (Pty::ECHOE, LocalModes::ECHOE),
    (Pty::ECHOK, LocalModes::ECHOK),
    (Pty::ECHONL, LocalModes::ECHONL),
    (Pty::NOFLSH, LocalModes::NOFLSH),
    (Pty::TOSTOP, LocalModes::TOSTOP),
    (Pty::IEXTEN, LocalModes::IEXTEN),
];

const OUTPUT: [(Pty, OutputModes); 4] = [
    (Pty::OPOST, OutputModes::OPOST),
    (Pty::ONLCR, OutputModes::ONLCR),
    (Pty::OCRNL, OutputModes::OCRNL),
    (Pty::ONLRET, OutputModes::ONLRET),
];

const CONTROL: [(Pty, ControlModes); 4] = [
    (Pty::CS7, ControlModes::CS7),
    (Pty::CS8, ControlModes::CS8),
    (Pty::PARENB, ControlModes::PARENB),
    (Pty::PARODD, ControlModes::PARODD),
];
