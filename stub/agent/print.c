/* SPDX-License-Identifier: MIT */
/*
 * The printf of agent expressions.  The format is the client's: it is taken apart
 * here, and what reaches the C library's printf is put together anew.
 */
#include <stdio.h>
#include <string.h>

#include "stub/agent/code.h"

#define WIDTH_MAX  1000u
#define STRING_MAX 1024u /* bytes of a %s */

/* A conversion, or a piece of plain text (`kind' 0). */
struct piece {
	const char *text; /* plain text, escapes not undone */
	size_t len;
	char flags[8];
	int width, precision; /* -1: none */
	uint8_t bits;	      /* of the argument */
	char kind;	      /* the conversion's letter */
};

struct text {
	char data[AGENT_TEXT_MAX];
	size_t len;
};

/* What does not fit is left out. */
static void put(struct text *t, const char *text, size_t len)
{
	if (len > sizeof(t->data) - t->len)
		len = sizeof(t->data) - t->len;
	memcpy(t->data + t->len, text, len);
	t->len += len;
}

static bool parse_number(const char **at, int *ret)
{
	unsigned int n = 0;

	if (**at < '0' || **at > '9') {
		*ret = -1;
		return true;
	}
	for (; **at >= '0' && **at <= '9'; (*at)++) {
		n = n * 10 + (unsigned int)(**at - '0');
		if (n > WIDTH_MAX)
			return false;
	}
	*ret = (int)n;
	return true;
}

/* A length modifier: bits of the argument. */
static uint8_t parse_length(const char **at)
{
	static const struct {
		char text[3];
		uint8_t bits;
	} lengths[] = { { "hh", 8 }, { "h", 16 }, { "ll", 64 }, { "l", 64 },
			{ "j", 64 }, { "z", 64 }, { "t", 64 } };

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		size_t len = strlen(lengths[i].text);
		if (strncmp(*at, lengths[i].text, len) == 0) {
			*at += len;
			return lengths[i].bits;
		}
	}
	return 32;
}

static struct err *parse_conversion(const char **at, struct piece *ret)
{
	size_t flags = strspn(*at, "-+ #0");

	if (flags >= sizeof(ret->flags))
		return err_new(ERR_PROTO, "a conversion has too many flags");
	memcpy(ret->flags, *at, flags);
	ret->flags[flags] = '\0';
	*at += flags;
	ret->precision = -1;
	bool fits = parse_number(at, &ret->width);
	if (fits && **at == '.') {
		(*at)++;
		fits = parse_number(at, &ret->precision);
		if (ret->precision < 0)
			ret->precision = 0;
	}
	if (!fits)
		return err_new(ERR_PROTO, "a width or precision above %u", WIDTH_MAX);
	ret->bits = parse_length(at);
	if (!**at || !strchr("diouxXcsp", **at))
		return err_new(ERR_PROTO, "there is no conversion %%%c for an agent's printf",
			       **at >= ' ' && **at < 0x7f ? **at : '?');
	ret->kind = *(*at)++;
	if (ret->kind == 'p' || ret->kind == 's')
		ret->bits = 64;
	return NULL;
}

/* The next piece; false at the end, or with an error. */
static bool next_piece(const char **at, struct piece *ret, struct err **err)
{
	*err = NULL;
	*ret = (struct piece){ .text = *at };
	if (!**at)
		return false;
	if (**at == '%' && (*at)[1] != '%') {
		(*at)++;
		*err = parse_conversion(at, ret);
		return !*err;
	}
	if (**at == '%')
		ret->text = ++*at; /* two are one, as text */
	do {
		(*at)++;
	} while (**at && **at != '%');
	ret->len = (size_t)(*at - ret->text);
	return true;
}

struct err *agent_check_format(const char *format, unsigned int nargs)
{
	struct piece p;
	struct err *err;
	unsigned int n = 0;

	while (next_piece(&format, &p, &err))
		n += p.kind != 0;
	if (!err && n != nargs)
		err = err_new(ERR_PROTO, "a format for %u values with %u", n, nargs);
	return err;
}

static bool is_octal(char ch)
{
	return ch >= '0' && ch <= '7';
}

/* One escape as in C's source, after its backslash. */
static char unescape(const char **at, const char *end)
{
	static const char letters[] = "abefnrtv", means[] = "\a\b\033\f\n\r\t\v";
	const char *known = memchr(letters, **at, sizeof(letters) - 1);
	unsigned int value = 0;

	if (known) {
		(*at)++;
		return means[known - letters];
	}
	if (!is_octal(**at))
		return *(*at)++; /* a quote, a backslash */
	for (int i = 0; i < 3 && *at < end && is_octal(**at); i++)
		value = value * 8 + (unsigned int)(*(*at)++ - '0');
	return (char)value;
}

static void put_plain(struct text *t, const struct piece *p)
{
	const char *at = p->text, *end = p->text + p->len;

	while (at < end) {
		char ch = *at++;
		if (ch == '\\' && at < end)
			ch = unescape(&at, end);
		put(t, &ch, 1);
	}
}

/* The text at @addr, which a NUL ends. */
static struct err *read_string(const struct agent_ops *ops, void *ctx, uint64_t addr,
			       char ret[STRING_MAX + 1])
{
	for (size_t n = 0; n < STRING_MAX; n++) {
		struct err *err = ops->read(ctx, addr + n, &ret[n], 1);
		if (err)
			return err;
		if (!ret[n])
			return NULL;
	}
	ret[STRING_MAX] = '\0';
	return NULL;
}

static void put_padded(struct text *t, const struct piece *p, const char *text, size_t len)
{
	size_t pad = p->width > 0 && (size_t)p->width > len ? (size_t)p->width - len : 0;
	bool left = strchr(p->flags, '-') != NULL;

	for (size_t i = 0; i < pad && !left; i++)
		put(t, " ", 1);
	put(t, text, len);
	for (size_t i = 0; i < pad && left; i++)
		put(t, " ", 1);
}

static struct err *put_string(struct text *t, const struct piece *p, uint64_t addr,
			      const struct agent_ops *ops, void *ctx)
{
	char string[STRING_MAX + 1];
	struct err *err = read_string(ops, ctx, addr, string);

	if (err)
		return err;
	size_t len = strlen(string);
	if (p->precision >= 0 && len > (size_t)p->precision)
		len = (size_t)p->precision;
	put_padded(t, p, string, len);
	return NULL;
}

static void put_number(struct text *t, const struct piece *p, uint64_t value)
{
	char format[24], number[2 * WIDTH_MAX + 80];
	bool is_signed = p->kind == 'd' || p->kind == 'i';
	int n;

	if (p->bits < 64)
		value &= (1ull << p->bits) - 1;
	if (p->bits < 64 && is_signed && value >> (p->bits - 1))
		value |= ~0ull << p->bits;
	snprintf(format, sizeof(format), "%%%s*%sl%c", p->flags, p->precision < 0 ? "" : ".*",
		 p->kind);
	int width = p->width < 0 ? 0 : p->width;
	/* The format is one of ours: flags, at most two stars, and a letter for a number. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	if (p->precision < 0)
		n = snprintf(number, sizeof(number), format, width, value);
	else
		n = snprintf(number, sizeof(number), format, width, p->precision, value);
#pragma GCC diagnostic pop
	if (n > 0)
		put(t, number, (size_t)n < sizeof(number) ? (size_t)n : sizeof(number) - 1);
}

static struct err *put_conversion(struct text *t, const struct piece *p, uint64_t value,
				  const struct agent_ops *ops, void *ctx)
{
	char ch = (char)value;
	struct piece pointer = *p;

	switch (p->kind) {
	case 's':
		return put_string(t, p, value, ops, ctx);
	case 'c':
		put_padded(t, p, &ch, 1);
		return NULL;
	case 'p':
		pointer.kind = 'x';
		memcpy(pointer.flags, strchr(p->flags, '-') ? "-#" : "#\0", 3);
		put_number(t, &pointer, value);
		return NULL;
	default:
		put_number(t, p, value);
		return NULL;
	}
}

struct err *agent_print(const char *format, const uint64_t *args, const struct agent_ops *ops,
			void *ctx)
{
	struct text t = { .len = 0 };
	struct piece p;
	struct err *err, *bad = NULL;

	if (!ops->print)
		return NULL;
	while (!bad && next_piece(&format, &p, &err)) {
		if (p.kind)
			bad = put_conversion(&t, &p, *args++, ops, ctx);
		else
			put_plain(&t, &p);
	}
	if (!bad)
		bad = err; /* none: the format was checked */
	if (!bad)
		ops->print(ctx, t.data, t.len);
	return bad;
}
