//! What a script's output makes of the answer: its head is read, the rest is passed on.

use protocol::{ScriptFault, ScriptHead, nph_head, script_head, script_head_end};
use telemetry::ErrorLog;

use super::{Progress, Running, Stage};
use crate::exchange::Exchange;

impl Running {
    /// Takes a piece of output.
    pub(super) fn heard(
        &mut self,
        exchange: &mut Exchange,
        piece: &[u8],
        head_limit: usize,
        log: &ErrorLog,
    ) -> Result<(), Progress> {
        match self.stage {
            Stage::Document => exchange.write(piece),
            Stage::Raw => exchange.write_raw(piece),
            Stage::Head => {
                self.head.extend_from_slice(piece);
                let Some(end) = script_head_end(&self.head) else {
                    if self.head.len() > head_limit {
                        return Err(self.invalid(log, &ScriptFault::HeadTooLong(head_limit)));
                    }
                    return Ok(());
                };
                let read = if self.has_status_line {
                    nph_head
                } else {
                    script_head
                };
                match read(&self.head[..end], exchange.response()) {
                    Ok(ScriptHead::Document) => {
                        exchange.begin();
                        exchange.write(&self.head[end..]);
                        self.head = Vec::new();
                        self.stage = Stage::Document;
                    }
                    Ok(ScriptHead::LocalRedirect(target)) => return Err(Progress::LocalRedirect(target)),
                    Err(fault) => return Err(self.invalid(log, &fault)),
                }
            }
        }
        Ok(())
    }

    /// Its output has ended.
    pub(super) fn ended(&mut self, exchange: &mut Exchange, log: &ErrorLog) -> Progress {
        let shown = &self.shown;
        let fault = self.link.as_ref().and_then(|link| link.fault.as_ref());
        match (self.stage, fault) {
            (Stage::Head, Some(fault)) => {
                log.error(format_args!("{shown} did not answer: {fault}"));
                Progress::Failed(502)
            }
            // What has come is not everything.
            (Stage::Document, Some(_)) => {
                exchange.abort();
                Progress::Answered
            }
            (Stage::Head, None) => {
                log.error(format_args!(
                    "{shown} ended without a complete header (lines such as \"Content-Type: text/plain\", \
                     then an empty one)"
                ));
                Progress::Failed(502)
            }
            (Stage::Document, None) => {
                if let Some(fault) = exchange.finish() {
                    log.warning(format_args!("{shown}: {fault}"));
                }
                Progress::Answered
            }
            (Stage::Raw, _) => {
                exchange.end_raw();
                Progress::Answered
            }
        }
    }

    fn invalid(&self, log: &ErrorLog, fault: &ScriptFault) -> Progress {
        log.error(format_args!("{} gave no answer: {fault}", self.shown));
        Progress::Failed(502)
    }
}
