//! The tokens of a plain script: words that mean what they say, the operators that join commands, and
//! redirections that touch no file. Whatever else the shell knows ends the reading, so nothing can hide.

use std::iter::Peekable;
use std::str::Chars;

/// One token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A word, with its quotes off.
    Word {
        /// What the program gets.
        text: String,
        /// Whether some of it was in quotes.
        quoted: bool,
    },
    /// `&&` or `||`.
    AndOr,
    /// `|`.
    Pipe,
    /// `;`.
    Semicolon,
    /// The end of a line.
    Newline,
    /// `2>&1`, `>/dev/null`, `</dev/null` and their like.
    Redirection,
}

/// The tokens of a script, or `None` if it holds anything else.
pub(super) fn tokens(script: &str) -> Option<Vec<Token>> {
    let mut lexer = Lexer { letters: script.chars().peekable() };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_blanks();
        let Some(letter) = lexer.letters.peek().copied() else { return Some(tokens) };
        tokens.push(match letter {
            '\n' | ';' | '|' | '&' => lexer.operator()?,
            '<' | '>' => lexer.redirection()?,
            _ => lexer.word_or_redirection()?,
        });
    }
}

struct Lexer<'a> {
    letters: Peekable<Chars<'a>>,
}

impl Lexer<'_> {
    fn skip_blanks(&mut self) {
        while self.take(' ') || self.take('\t') {}
    }

    fn take(&mut self, letter: char) -> bool {
        self.letters.next_if_eq(&letter).is_some()
    }

    fn operator(&mut self) -> Option<Token> {
        match self.letters.next()? {
            '\n' => Some(Token::Newline),
            ';' => Some(Token::Semicolon),
            '|' if self.take('|') => Some(Token::AndOr),
            // `|&` pipes errors, too; it is rare.
            '|' => (self.letters.peek() != Some(&'&')).then_some(Token::Pipe),
            '&' if self.take('&') => Some(Token::AndOr),
            '&' if self.take('>') => {
                self.take('>');
                self.null_device()
            }
            // Alone it puts the command into the background.
            _ => None,
        }
    }

    /// From `<` or `>` on.
    fn redirection(&mut self) -> Option<Token> {
        match self.letters.next()? {
            '>' if self.take('&') => {
                self.skip_blanks();
                matches!(self.word()?, (text, false) if text == "1" || text == "2").then_some(Token::Redirection)
            }
            '>' => {
                self.take('>');
                self.null_device()
            }
            '<' => self.null_device(),
            _ => None,
        }
    }

    fn null_device(&mut self) -> Option<Token> {
        self.skip_blanks();
        matches!(self.word()?, (text, false) if text == "/dev/null").then_some(Token::Redirection)
    }

    fn word_or_redirection(&mut self) -> Option<Token> {
        let (text, quoted) = self.word()?;
        if matches!(self.letters.peek(), Some('<' | '>')) && !quoted && text.chars().all(|digit| digit.is_ascii_digit())
        {
            // The number of a stream. Higher ones than the usual three are for artists.
            return matches!(text.as_str(), "0" | "1" | "2").then(|| self.redirection()).flatten();
        }
        Some(Token::Word { text, quoted })
    }

    /// A word and whether some of it is quoted. Nothing in it may expand.
    fn word(&mut self) -> Option<(String, bool)> {
        let (mut text, mut quoted, mut empty) = (String::new(), false, true);
        let mut before = None;
        while let Some(letter) = self.letters.next_if(|letter| !" \t\n;|&<>".contains(*letter)) {
            match letter {
                '\'' => self.single_quoted(&mut text)?,
                '"' => self.double_quoted(&mut text)?,
                // Only after a letter these neither expand nor begin a comment.
                '~' | '#' | '=' if before.is_none_or(|before: char| !before.is_alphanumeric() && before != '~') => {
                    return None;
                }
                letter if letter.is_alphanumeric() || "_-./,:=+@%^~#".contains(letter) => text.push(letter),
                _ => return None,
            }
            quoted |= matches!(letter, '\'' | '"');
            before = Some(letter);
            empty = false;
        }
        (!empty).then_some((text, quoted))
    }

    fn single_quoted(&mut self, text: &mut String) -> Option<()> {
        loop {
            match self.letters.next()? {
                '\'' => return Some(()),
                letter => text.push(letter),
            }
        }
    }

    fn double_quoted(&mut self, text: &mut String) -> Option<()> {
        loop {
            match self.letters.next()? {
                '"' => return Some(()),
                '$' | '`' => return None,
                '\\' => match self.letters.next_if(|next| "$`\"\\\n".contains(*next)) {
                    Some('\n') => {}
                    Some(escaped) => text.push(escaped),
                    None => text.push('\\'),
                },
                letter => text.push(letter),
            }
        }
    }
}
