"""The forms in which programs print a secret: as it is, quoted, escaped, encoded."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

#: What a shell's ``printf %q`` and ``set -x`` leave as it is.
_PLAIN = r"([^\w@%+=:,./-])"
#: Of Base64, the characters at the begin that also hold bits of what stands before the secret.
_FOREIGN = (0, 2, 3)
#: An encoded form that is shorter would be found in any log.
_SHORTEST = 4


def forms_of(secret: str) -> frozenset[str]:
    """All forms of one secret, itself among them."""
    forms = {secret, *_quoted(secret), *_encoded(secret)}
    forms |= {_json(form) for form in list(forms)}  # JSON within JSON, as logs have it
    return frozenset(form for form in forms if len(form.strip()) >= _SHORTEST)


def _quoted(secret: str) -> Iterator[str]:
    yield secret.replace("'", "'\"'\"'")  # shlex.quote
    yield secret.replace("'", "'\\''")  # the shell's own way
    yield secret.replace("'", "''")  # YAML, SQL
    yield re.sub(r'(["$`\\])', r"\\\1", secret)
    escaped = re.sub(_PLAIN, r"\\\1", secret)
    yield escaped
    yield escaped[:1] + escaped[1:].replace("\\~", "~")  # it is special at the begin only
    yield _json(secret)
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield re.sub(r"\\u00(..)", lambda match: f"\\x{match[1].upper()}", _json(secret))  # YAML
    yield _json(secret).replace("/", "\\/")
    for shown in (repr(secret), ascii(secret)):
        yield shown[1:-1]
    yield repr(_bytes(secret))[2:-1]
    # With the quotes escaped by which repr() would rather not enclose a text, as in an f-string.
    yield repr(secret + "'\"")[1:-4] if "'" in secret else secret
    markup = secret.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    yield markup
    for double in ('"', "&quot;", "&#34;"):
        for single in ("'", "&apos;", "&#39;", "&#x27;"):
            yield markup.replace('"', double).replace("'", single)


def _encoded(secret: str) -> Iterator[str]:
    import base64
    from urllib.parse import quote, quote_plus

    content = _bytes(secret)
    for shown in (quote(content), quote(content, safe=""), quote_plus(content)):
        yield shown
        yield re.sub("%[0-9A-F]{2}", lambda match: match[0].lower(), shown)
    yield from (content.hex(), content.hex().upper())
    for before, foreign in enumerate(_FOREIGN):
        whole = (8 * (before + len(content))) // 6  # the characters that the secret decides
        text = base64.b64encode(b"\0" * before + content).decode()[foreign:whole]
        yield text
        yield text.replace("+", "-").replace("/", "_")


def _json(text: str) -> str:
    return json.dumps(text)[1:-1]


def _bytes(secret: str) -> bytes:
    """The bytes of a secret; a variable's or a file's may be no UTF-8."""
    try:
        return secret.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return secret.encode("utf-8", "surrogatepass")
