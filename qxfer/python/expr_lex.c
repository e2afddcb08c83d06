/* SPDX-License-Identifier: MIT */
/* The Python Language Reference, "Lexical analysis". */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "qxfer/python/expr_priv.h"

/* ---- names and numbers ---- */

static bool is_name_start(char c)
{
	return isalpha((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

static bool is_name(char c)
{
	return is_name_start(c) || isdigit((unsigned char)c);
}

static struct err *lex_name(struct expr_parser *x)
{
	while (is_name(*x->p))
		x->p++;
	x->token = T_NAME;
	x->name = arena_strdup(x->arena, x->start, (size_t)(x->p - x->start));
	return x->name ? NULL : &err_nomem;
}

static int digit_value(char c)
{
	if (isdigit((unsigned char)c))
		return c - '0';
	return isalpha((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10 : 99;
}

static unsigned int base_of(const char *p)
{
	static const struct {
		char letter;
		unsigned int base;
	} bases[] = { { 'x', 16 }, { 'o', 8 }, { 'b', 2 } };
	for (size_t i = 0; i < sizeof(bases) / sizeof(bases[0]); i++)
		if (p[0] == '0' && tolower((unsigned char)p[1]) == bases[i].letter)
			return bases[i].base;
	return 10;
}

static struct err *lex_int(struct expr_parser *x)
{
	unsigned int base = base_of(x->p);
	size_t digits = 0;
	x->token = T_INT;
	x->number = 0;
	if (base != 10)
		x->p += 2;
	for (; digit_value(*x->p) < (int)base || (*x->p == '_' && digits); x->p++) {
		if (*x->p == '_')
			continue;
		digits++;
		x->number = x->number * (int)base + digit_value(*x->p);
		if (x->number > PY_EXPR_INT_MAX)
			return expr_wrong(x, x->start, "a number that is too large");
	}
	if (!digits || is_name(*x->p))
		return expr_wrong(x, x->p, "invalid number");
	return NULL;
}

/* Whether digits are followed by a point or an exponent. */
static bool is_float(const char *p)
{
	if (base_of(p) != 10)
		return false;
	p += strspn(p, "0123456789_");
	return *p == '.' || *p == 'e' || *p == 'E';
}

static struct err *lex_float(struct expr_parser *x)
{
	char number[64], *end;
	size_t n = 0;
	const char *p = x->p;
	for (; is_name(*p) || *p == '.' || ((*p == '-' || *p == '+') && strchr("eE", p[-1])); p++) {
		if (*p == '_')
			continue;
		if (n + 1 == sizeof(number))
			return expr_wrong(x, x->start, "a number that is too long");
		number[n++] = *p;
	}
	number[n] = '\0';
	x->token = T_FLOAT;
	x->real = strtod(number, &end);
	if (*end || strspn(number, "0123456789.eE+-") != n || !isfinite(x->real))
		return expr_wrong(x, x->start, "invalid number");
	x->p = p;
	return NULL;
}

/* ---- strings ---- */

/* By the first byte of a character; 0: none begins so. */
static size_t utf8_length(uint8_t c)
{
	static const struct {
		uint8_t below;
		size_t n;
	} lengths[] = { { 0x80, 1 }, { 0xc2, 0 }, { 0xe0, 2 }, { 0xf0, 3 }, { 0xf5, 4 } };
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		if (c < lengths[i].below)
			return lengths[i].n;
	return 0;
}

/* One character of UTF-8 at x->p. */
static struct err *take_utf8(struct expr_parser *x, uint32_t *ret)
{
	const uint8_t *p = (const uint8_t *)x->p;
	size_t n = utf8_length(p[0]);
	uint32_t c = n == 1 ? p[0] : p[0] & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			n = 0;
		else
			c = c << 6 | (p[i] & 0x3f);
	}
	if (!n)
		return expr_wrong(x, x->p, "text that is not UTF-8");
	x->p += n;
	*ret = c;
	return NULL;
}

/* So many digits of that base; false: they are not there. */
static bool take_digits(struct expr_parser *x, unsigned int least, unsigned int most,
			unsigned int base, uint32_t *ret)
{
	unsigned int n = 0;
	for (*ret = 0; n < most && digit_value(*x->p) < (int)base; n++, x->p++)
		*ret = *ret * base + (unsigned int)digit_value(*x->p);
	return n >= least;
}

/* What follows a backslash; *skip: nothing comes of it. */
static struct err *take_escape(struct expr_parser *x, bool bytes, uint32_t *ret, bool *skip)
{
	static const struct {
		char letter;
		uint32_t is;
	} plain[] = {
		{ '\\', '\\' }, { '\'', '\'' }, { '"', '"' },  { 'a', '\a' }, { 'b', '\b' },
		{ 'f', '\f' },	{ 'n', '\n' },	{ 'r', '\r' }, { 't', '\t' }, { 'v', '\v' },
	};
	static const struct {
		char letter;
		unsigned int digits;
	} hex[] = { { 'x', 2 }, { 'u', 4 }, { 'U', 8 } };
	const char *at = x->p - 1;
	char c = *x->p;
	*skip = c == '\n';
	if (c >= '0' && c <= '7') {
		(void)take_digits(x, 1, 3, 8, ret);
		*ret &= bytes ? 0xff : 0x1ff;
		return NULL;
	}
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
		if (plain[i].letter == c) {
			x->p++;
			*ret = plain[i].is;
			return NULL;
		}
	}
	for (size_t i = 0; i < (bytes ? 1 : sizeof(hex) / sizeof(hex[0])); i++) {
		if (hex[i].letter != c)
			continue;
		x->p++;
		if (!take_digits(x, hex[i].digits, hex[i].digits, 16, ret) || *ret > 0x10ffff)
			return expr_wrong(x, at, "invalid escape");
		return NULL;
	}
	if (c == 'N' && !bytes)
		return expr_wrong(x, at, "\\N is not known");
	*ret = '\\'; /* stays as it is, and so does what follows */
	x->p += *skip;
	return NULL;
}

static struct err *take_char(struct expr_parser *x, bool bytes, bool raw, uint32_t *ret, bool *skip)
{
	*skip = false;
	if (!*x->p)
		return expr_wrong(x, x->start, "unterminated string");
	if (*x->p == '\\' && !raw) {
		x->p++;
		return take_escape(x, bytes, ret, skip);
	}
	if (bytes && (unsigned char)*x->p >= 0x80)
		return expr_wrong(x, x->p, "bytes can only have ASCII characters");
	return take_utf8(x, ret);
}

/* The string at x->p, where its quote is, behind those in x->chars. */
static struct err *lex_string(struct expr_parser *x, bool bytes, bool raw)
{
	char quote[4] = { *x->p };
	size_t len = 1;
	if (x->p[1] == quote[0] && x->p[2] == quote[0]) {
		memset(quote, quote[0], 3);
		len = 3;
	}
	x->p += len;
	while (strncmp(x->p, quote, len) != 0) {
		uint32_t c = 0;
		bool skip, escaped = raw && *x->p == '\\';
		struct err *err = take_char(x, bytes, raw, &c, &skip);
		if (err)
			return err;
		if (!skip)
			x->chars[x->n++] = c;
		if (!escaped)
			continue;
		/* A backslash keeps the quote behind it from being the end. */
		err = take_char(x, bytes, raw, &c, &skip);
		if (err)
			return err;
		x->chars[x->n++] = c;
	}
	x->p += len;
	return NULL;
}

/* Letters before a quote; the quote's place, or NULL: there is no string. */
static const char *string_prefix(const char *p, bool *bytes, bool *raw)
{
	*bytes = *raw = false;
	for (unsigned int i = 0; i < 2 && *p && strchr("bBrRuU", *p); i++, p++) {
		*bytes |= *p == 'b' || *p == 'B';
		*raw |= *p == 'r' || *p == 'R';
	}
	return *p == '\'' || *p == '"' ? p : NULL;
}

static struct err *lex_strings(struct expr_parser *x)
{
	bool bytes, raw, more_bytes;
	struct err *err = NULL;
	(void)string_prefix(x->p, &bytes, &raw);
	x->chars = arena_alloc(x->arena, (strlen(x->p) + 1) * sizeof(uint32_t));
	if (!x->chars)
		return &err_nomem;
	x->n = 0;
	x->token = bytes ? T_BYTES : T_STR;
	const char *quote = string_prefix(x->p, &more_bytes, &raw);
	while (!err && quote) {
		if (more_bytes != bytes)
			return expr_wrong(x, x->p, "bytes and str side by side");
		x->p = quote;
		err = lex_string(x, bytes, raw);
		x->p += err ? 0 : strspn(x->p, " \t");
		quote = string_prefix(x->p, &more_bytes, &raw);
	}
	return err;
}

/* ---- tokens ---- */

static struct err *wrong_mark(const struct expr_parser *x)
{
	if (strchr("*/%@&|^~<>=!", *x->p))
		return expr_wrong(x, x->p, "not by memory alone: an operator");
	return expr_wrong(x, x->p,
			  *x->p == '{' ? "not by memory alone: a display"
				       : "an unexpected character");
}

struct err *expr_next(struct expr_parser *x)
{
	bool bytes, raw;
	x->p += strspn(x->p, " \t\n");
	x->start = x->p;
	if (!*x->p) {
		x->token = T_END;
		return NULL;
	}
	if (string_prefix(x->p, &bytes, &raw))
		return lex_strings(x);
	if (is_name_start(*x->p))
		return lex_name(x);
	if (isdigit((unsigned char)*x->p) || (*x->p == '.' && isdigit((unsigned char)x->p[1])))
		return is_float(x->p) ? lex_float(x) : lex_int(x);
	if (strncmp(x->p, "...", 3) == 0) {
		x->token = T_ELLIPSIS;
		x->p += 3;
		return NULL;
	}
	if (!strchr(".[]():,-+", *x->p))
		return wrong_mark(x);
	x->token = T_MARK;
	x->mark = *x->p++;
	return NULL;
}
