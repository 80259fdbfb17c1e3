//! What the keys do.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::sections::Pane;

/// What is looked at of what is known.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct View {
    pub(super) pane: Pane,
    /// The first row that is shown.
    pub(super) first: usize,
    /// How many rows are shown, as they were drawn last.
    pub(super) page: usize,
    pub(super) is_help: bool,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Nothing,
    Draw,
    /// All of it: something else wrote to the terminal.
    DrawAnew,
    Refresh,
    /// To the next environment.
    Elsewhere,
    End,
}

/// What each key is for, for people.
pub(super) const KEYS: [(&str, &str); 9] = [
    ("q, Esc, Ctrl-C", "end"),
    ("Tab, Shift-Tab", "the next pane, the one before"),
    ("1 … 7", "that pane"),
    ("j k, arrows", "one line down, up"),
    ("PageDown, Space, PageUp", "a page"),
    ("g G, Home, End", "to the beginning, to the end"),
    ("r", "look at everything now"),
    ("e", "the next environment, where there are several"),
    ("Ctrl-L", "draw all of it anew"),
];

impl View {
    /// What a key changes, and what is to be done.
    #[expect(clippy::wildcard_enum_match_arm, reason = "a keyboard has many keys")]
    pub(super) fn press(&mut self, key: KeyEvent) -> Act {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return match key.code {
                KeyCode::Char('c') => Act::End,
                KeyCode::Char('l') => Act::DrawAnew,
                _ => Act::Nothing,
            };
        }
        if self.is_help && matches!(key.code, KeyCode::Esc | KeyCode::Char('q' | '?')) {
            self.is_help = false;
            return Act::Draw;
        }
        let page = self.page.saturating_sub(1).max(1);
        match key.code {
            KeyCode::Esc | KeyCode::Char('q') => return Act::End,
            KeyCode::Char('r') => return Act::Refresh,
            KeyCode::Char('e') => return Act::Elsewhere,
            KeyCode::Char('?' | 'h') => self.is_help = true,
            KeyCode::Tab | KeyCode::Right => self.go(self.pane.after(1)),
            KeyCode::BackTab | KeyCode::Left => self.go(self.pane.after(Pane::ALL.len() - 1)),
            KeyCode::Char(digit @ '1'..='7') => {
                let number = digit.to_digit(10).and_then(|digit| usize::try_from(digit).ok()).unwrap_or(1);
                self.go(Pane::default().after(number - 1));
            }
            KeyCode::Down | KeyCode::Char('j') => self.first = self.first.saturating_add(1),
            KeyCode::Up | KeyCode::Char('k') => self.first = self.first.saturating_sub(1),
            KeyCode::PageDown | KeyCode::Char(' ') => self.first = self.first.saturating_add(page),
            KeyCode::PageUp => self.first = self.first.saturating_sub(page),
            KeyCode::Home | KeyCode::Char('g') => self.first = 0,
            KeyCode::End | KeyCode::Char('G') => self.first = usize::MAX,
            _ => return Act::Nothing,
        }
        Act::Draw
    }

    fn go(&mut self, pane: Pane) {
        (self.pane, self.first, self.is_help) = (pane, 0, false);
    }
}

#[cfg(test)]
mod tests {
    use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

    use super::{Act, View};
    use crate::command::watch::sections::Pane;

    fn press(view: &mut View, code: KeyCode) -> Act {
        view.press(KeyEvent::new(code, KeyModifiers::NONE))
    }

    #[test]
    fn each_key_does_what_the_help_says() {
        let mut view = View { page: 10, ..View::default() };
        assert_eq!(press(&mut view, KeyCode::Tab), Act::Draw);
        assert_eq!(view.pane, Pane::Wrong);
        press(&mut view, KeyCode::BackTab);
        press(&mut view, KeyCode::BackTab);
        assert_eq!(view.pane, Pane::Checks);
        press(&mut view, KeyCode::Char('1'));
        assert_eq!(view.pane, Pane::All);
        for (key, first) in [
            (KeyCode::Up, 0),
            (KeyCode::Char('j'), 1),
            (KeyCode::PageDown, 10),
            (KeyCode::PageUp, 1),
            (KeyCode::End, usize::MAX),
            (KeyCode::Down, usize::MAX),
            (KeyCode::Home, 0),
        ] {
            assert_eq!(press(&mut view, key), Act::Draw);
            assert_eq!(view.first, first, "{key:?}");
        }
        assert_eq!(press(&mut view, KeyCode::Char('r')), Act::Refresh);
        assert_eq!(press(&mut view, KeyCode::Char('e')), Act::Elsewhere);
        assert_eq!(press(&mut view, KeyCode::Char('x')), Act::Nothing);
        assert_eq!(view.press(KeyEvent::new(KeyCode::Char('l'), KeyModifiers::CONTROL)), Act::DrawAnew);
        assert_eq!(view.press(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)), Act::End);
        // What is laid over the rest is left first.
        press(&mut view, KeyCode::Char('?'));
        assert_eq!((press(&mut view, KeyCode::Char('q')), view.is_help), (Act::Draw, false));
        assert_eq!(press(&mut view, KeyCode::Esc), Act::End);
    }
}
