/** Renders Markdown as nodes, never as HTML. Everything that the lexer does not recognize is shown as plain text. */

import { lexer, type Token, type Tokens } from "marked";
import type { ComponentChildren } from "preact";
import { visibleText } from "./visible-text.tsx";

/** A longer text is shown without formatting, because parsing it takes too long. */
const MAX_MARKDOWN_LENGTH = 50_000;
/** Addresses that may be opened. Any other is shown as text. */
const OPENABLE = /^(https?|mailto):/i;

export function Markdown({ text }: { text: string }) {
  if (text.length > MAX_MARKDOWN_LENGTH) return <PlainText text={text} />;
  let tokens: Token[];
  try {
    tokens = lexer(text, { gfm: true, breaks: true });
  } catch {
    return <PlainText text={text} />;
  }
  return (
    <div class="markdown" dir="auto">
      {blocks(tokens)}
    </div>
  );
}

export function PlainText({ text }: { text: string }) {
  return (
    <div class="plain-text" dir="auto">
      {visibleText(text)}
    </div>
  );
}

const blocks = (tokens: readonly Token[]): ComponentChildren =>
  tokens.map((token, index) => <Block key={index} token={token} />);

function Block({ token }: { token: Token }) {
  switch (token.type) {
    case "space":
    case "def":
      return null;
    case "heading":
      // Headings of a message are rendered as paragraphs, so that they do not become headings of the page.
      return <p class={`heading heading-${(token as Tokens.Heading).depth}`}>{inline(token.tokens)}</p>;
    case "paragraph":
      return <p>{inline(token.tokens)}</p>;
    case "text":
      return <p>{token.tokens === undefined ? visibleText(token.raw) : inline(token.tokens)}</p>;
    case "code":
      return <CodeBlock token={token as Tokens.Code} />;
    case "blockquote":
      return <blockquote>{blocks(token.tokens ?? [])}</blockquote>;
    case "list":
      return <List token={token as Tokens.List} />;
    case "table":
      return <Table token={token as Tokens.Table} />;
    case "hr":
      return <hr />;
    default:
      return <p>{visibleText(token.raw)}</p>;
  }
}

function CodeBlock({ token: { lang, text } }: { token: Tokens.Code }) {
  return (
    <pre tabIndex={0} aria-label={lang === undefined || lang === "" ? "Code" : `Code, ${lang}`}>
      <code>{visibleText(text)}</code>
    </pre>
  );
}

function List({ token }: { token: Tokens.List }) {
  const entries = token.items.map((item, index) => (
    <li key={index}>
      {item.task === true ? (item.checked === true ? "☑ " : "☐ ") : null}
      {item.tokens.map((inner, at) =>
        inner.type === "text" ? (
          <span key={at}>{inner.tokens === undefined ? visibleText(inner.raw) : inline(inner.tokens)}</span>
        ) : inner.type === "checkbox" ? null : (
          <Block key={at} token={inner} />
        ),
      )}
    </li>
  ));
  return token.ordered ? <ol start={token.start === "" ? 1 : token.start}>{entries}</ol> : <ul>{entries}</ul>;
}

function Table({ token }: { token: Tokens.Table }) {
  return (
    <div class="table-frame" tabIndex={0} role="region" aria-label="Table">
      <table>
        <thead>
          <tr>
            {token.header.map((cell, index) => (
              <th key={index}>{inline(cell.tokens)}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {token.rows.map((row, at) => (
            <tr key={at}>
              {row.map((cell, index) => (
                <td key={index}>{inline(cell.tokens)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const inline = (tokens: readonly Token[] | undefined): ComponentChildren =>
  (tokens ?? []).map((token, index) => <Inline key={index} token={token} />);

function Inline({ token }: { token: Token }) {
  switch (token.type) {
    case "strong":
      return <strong>{inline(token.tokens)}</strong>;
    case "em":
      return <em>{inline(token.tokens)}</em>;
    case "del":
      return <del>{inline(token.tokens)}</del>;
    case "codespan":
      return <code>{visibleText((token as Tokens.Codespan).text)}</code>;
    case "br":
      return <br />;
    case "link":
      return <Link token={token as Tokens.Link} />;
    case "image":
      return <ImageNote token={token as Tokens.Image} />;
    case "escape":
      return <>{visibleText((token as Tokens.Escape).text)}</>;
    case "text":
      return <>{token.tokens === undefined ? visibleText((token as Tokens.Text).text) : inline(token.tokens)}</>;
    default:
      return <>{visibleText(token.raw)}</>;
  }
}

/** A link that shows its address if its text says something else. */
function Link({ token: { href, text, tokens, raw } }: { token: Tokens.Link }) {
  if (!OPENABLE.test(href)) return <>{visibleText(raw)}</>;
  const saysIt = text === href || `mailto:${text}` === href;
  return (
    <>
      <a href={href} target="_blank" rel="noopener noreferrer nofollow">
        {inline(tokens)}
      </a>
      {saysIt ? null : <span class="link-target"> ({visibleText(hostOf(href))})</span>}
    </>
  );
}

function hostOf(href: string): string {
  try {
    const { host, pathname } = new URL(href);
    return host === "" ? pathname : host;
  } catch {
    return href;
  }
}

/** Images are not loaded, because that would tell the other server who looks at the chat. */
function ImageNote({ token: { href, text } }: { token: Tokens.Image }) {
  return (
    <span class="file-note" title="Images in messages are not loaded: that would call the address">
      image{text === "" ? "" : ` “${text}”`}: {visibleText(href)}
    </span>
  );
}
