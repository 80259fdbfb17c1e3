//! The statuses of a stack, and what is to be said of those in which nothing can be done.

/// A stack's status (CloudFormation API, `StackStatus`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    CreateInProgress,
    CreateFailed,
    CreateComplete,
    RollbackInProgress,
    RollbackFailed,
    RollbackComplete,
    DeleteInProgress,
    DeleteFailed,
    DeleteComplete,
    UpdateInProgress,
    UpdateCleanup,
    UpdateComplete,
    UpdateFailed,
    UpdateRollbackInProgress,
    UpdateRollbackFailed,
    UpdateRollbackCleanup,
    UpdateRollbackComplete,
    ReviewInProgress,
    ImportInProgress,
    ImportComplete,
    ImportRollbackInProgress,
    ImportRollbackFailed,
    ImportRollbackComplete,
    Unknown,
}

/// The words, as CloudFormation writes them.
const WORDS: [(&str, Status); 23] = [
    ("CREATE_IN_PROGRESS", Status::CreateInProgress),
    ("CREATE_FAILED", Status::CreateFailed),
    ("CREATE_COMPLETE", Status::CreateComplete),
    ("ROLLBACK_IN_PROGRESS", Status::RollbackInProgress),
    ("ROLLBACK_FAILED", Status::RollbackFailed),
    ("ROLLBACK_COMPLETE", Status::RollbackComplete),
    ("DELETE_IN_PROGRESS", Status::DeleteInProgress),
    ("DELETE_FAILED", Status::DeleteFailed),
    ("DELETE_COMPLETE", Status::DeleteComplete),
    ("UPDATE_IN_PROGRESS", Status::UpdateInProgress),
    ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", Status::UpdateCleanup),
    ("UPDATE_COMPLETE", Status::UpdateComplete),
    ("UPDATE_FAILED", Status::UpdateFailed),
    ("UPDATE_ROLLBACK_IN_PROGRESS", Status::UpdateRollbackInProgress),
    ("UPDATE_ROLLBACK_FAILED", Status::UpdateRollbackFailed),
    ("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", Status::UpdateRollbackCleanup),
    ("UPDATE_ROLLBACK_COMPLETE", Status::UpdateRollbackComplete),
    ("REVIEW_IN_PROGRESS", Status::ReviewInProgress),
    ("IMPORT_IN_PROGRESS", Status::ImportInProgress),
    ("IMPORT_COMPLETE", Status::ImportComplete),
    ("IMPORT_ROLLBACK_IN_PROGRESS", Status::ImportRollbackInProgress),
    ("IMPORT_ROLLBACK_FAILED", Status::ImportRollbackFailed),
    ("IMPORT_ROLLBACK_COMPLETE", Status::ImportRollbackComplete),
];

impl Status {
    pub(super) fn read(word: &str) -> Self {
        let known = WORDS.iter().find(|(known, _)| *known == word);
        known.map_or(Self::Unknown, |(_, status)| *status)
    }

    /// Whether CloudFormation is done with it and it serves.
    pub(super) const fn is_fine(self) -> bool {
        match self {
            Self::CreateComplete
            | Self::UpdateComplete
            | Self::UpdateCleanup
            | Self::UpdateRollbackComplete
            | Self::UpdateRollbackCleanup
            | Self::ImportComplete
            | Self::ImportRollbackComplete
            | Self::DeleteComplete => true,
            Self::CreateInProgress
            | Self::CreateFailed
            | Self::RollbackInProgress
            | Self::RollbackFailed
            | Self::RollbackComplete
            | Self::DeleteInProgress
            | Self::DeleteFailed
            | Self::UpdateInProgress
            | Self::UpdateFailed
            | Self::UpdateRollbackInProgress
            | Self::UpdateRollbackFailed
            | Self::ReviewInProgress
            | Self::ImportInProgress
            | Self::ImportRollbackInProgress
            | Self::ImportRollbackFailed
            | Self::Unknown => false,
        }
    }

    /// Whether an update of it was just rolled back.
    pub(super) const fn is_rolled_back(self) -> bool {
        matches!(self, Self::UpdateRollbackComplete | Self::UpdateRollbackCleanup)
    }

    /// Whether an update of it is being or was rolled back, whatever came of that.
    pub(super) const fn is_rollback(self) -> bool {
        self.is_rolled_back() || matches!(self, Self::UpdateRollbackInProgress | Self::UpdateRollbackFailed)
    }

    /// Why CloudFormation has no call that helps; as the end of a sentence.
    pub(super) const fn obstacle(self) -> &'static str {
        match self {
            Self::CreateInProgress => "it is being created, so there is nothing before it to go back to",
            Self::CreateComplete => "it was never updated, so there is nothing before it to go back to",
            Self::RollbackInProgress => "its creation failed, and CloudFormation is taking it back",
            Self::RollbackFailed => "its creation failed, and so did taking that back",
            Self::RollbackComplete => {
                "its creation failed and was taken back; nothing of it is left but its name"
            }
            Self::DeleteInProgress => "it is being deleted",
            Self::DeleteFailed => "its deletion failed",
            Self::DeleteComplete => "it was deleted",
            Self::UpdateCleanup => {
                "its update is complete and CloudFormation is deleting what it replaced; no call takes that back"
            }
            Self::UpdateComplete => {
                "its update is complete, and CloudFormation has no call that takes that back"
            }
            Self::UpdateRollbackCleanup => {
                "CloudFormation has rolled its update back and is deleting what that replaced"
            }
            Self::UpdateRollbackComplete => "CloudFormation has rolled its update back already",
            Self::ReviewInProgress => "it was never created: a change set waits to be executed",
            Self::ImportInProgress => "resources are being imported into it",
            Self::ImportComplete => {
                "resources were imported into it, which CloudFormation does not take back"
            }
            Self::ImportRollbackInProgress => {
                "an import into it failed, and CloudFormation is taking it back"
            }
            Self::ImportRollbackFailed => "an import into it failed, and so did taking that back",
            Self::ImportRollbackComplete => "an import into it failed and was taken back",
            Self::CreateFailed => {
                "its creation failed and it has no stable state, so RollbackStack would delete it"
            }
            Self::UpdateInProgress
            | Self::UpdateFailed
            | Self::UpdateRollbackInProgress
            | Self::UpdateRollbackFailed
            | Self::Unknown => "it is in a state that this version does not know",
        }
    }

    /// What is left for a person to do in it; a whole sentence.
    pub(super) const fn advice(self) -> &'static str {
        match self {
            Self::CreateInProgress => "Wait for the creation to end, or delete the stack.",
            Self::CreateFailed => {
                "Mend what failed and update the stack with the mended template, or delete it if nothing in it is \
                 needed."
            }
            Self::CreateComplete | Self::ImportComplete => {
                "Look for a cause other than an update of the stack."
            }
            Self::RollbackInProgress => {
                "Wait until the stack is taken back; then delete it and create it anew."
            }
            Self::RollbackFailed => "Mend what could not be deleted, delete the stack and create it anew.",
            Self::RollbackComplete => "Delete the stack and create it anew.",
            Self::DeleteInProgress | Self::DeleteComplete => {
                "Find out whether this is meant; if so, silence the alarm."
            }
            Self::DeleteFailed => {
                "Mend what could not be deleted, or delete the stack again and retain those resources."
            }
            Self::UpdateCleanup => {
                "Deploy the last good template as soon as the clean-up is over; until then no update is accepted."
            }
            Self::UpdateComplete => {
                "Deploy the last good template, by hand and now, if the update is to blame."
            }
            Self::UpdateRollbackCleanup => "Wait for the clean-up to end; nothing has to be done.",
            Self::UpdateRollbackComplete => {
                "Look for a cause other than the update: taking it back did not help."
            }
            Self::ReviewInProgress => "Execute the change set, or delete it and the stack.",
            Self::ImportInProgress => "Wait for the import to end.",
            Self::ImportRollbackInProgress => "Wait until the import is taken back.",
            Self::ImportRollbackFailed => {
                "Look at the stack's events, mend what failed, and import again; ask AWS Support if that is refused."
            }
            Self::ImportRollbackComplete => "Look for a cause other than the import: it was taken back.",
            Self::UpdateInProgress
            | Self::UpdateFailed
            | Self::UpdateRollbackInProgress
            | Self::UpdateRollbackFailed
            | Self::Unknown => "Look at the stack in the CloudFormation console.",
        }
    }

    /// Whether people waiting for the stack need not hear of it.
    pub(super) const fn is_on_its_way(self) -> bool {
        self.is_fine()
            || matches!(
                self,
                Self::CreateInProgress
                    | Self::RollbackInProgress
                    | Self::DeleteInProgress
                    | Self::ReviewInProgress
                    | Self::ImportInProgress
                    | Self::ImportRollbackInProgress
            )
    }
}

#[cfg(test)]
pub(super) fn words() -> impl Iterator<Item = &'static str> {
    WORDS.iter().map(|(word, _)| *word)
}
