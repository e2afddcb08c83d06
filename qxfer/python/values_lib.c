/* SPDX-License-Identifier: MIT */
/*
 * Decimal and datetime's types, as their C modules keep them.  The structures are
 * the same in 3.6 to 3.15: Modules/_decimal/_decimal.c (PyDecObject, mpd_t),
 * Include/datetime.h.
 */
#include "qxfer/python/values_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- Decimal: { ob_base, hash, mpd_t { flags, exp, digits, len, alloc, data } } ---- */

#define MPD_NEG	      1u
#define MPD_INF	      2u
#define MPD_NAN	      4u
#define MPD_SNAN      8u
#define MPD_WORDS_MAX 64u
#define MPD_DIGITS    19 /* decimal digits of a word */

/* Behind the header and a hash that is kept there: what a Decimal, a date or a delta is. */
static uint64_t data_at(const struct py_values *v)
{
	return v->off->object.var_size + 8ull;
}

struct decimal {
	uint64_t flags;
	int64_t exp, digits, len, alloc;
	uint64_t data;
};

/* The coefficient, most significant digit first. */
static struct err *read_coefficient(struct py_values *v, const struct decimal *d, char *text,
				    size_t room)
{
	uint64_t word[MPD_WORDS_MAX];
	size_t at = 0;
	if (d->len < 0 || d->len > MPD_WORDS_MAX)
		return err_new(ERR_BAD_DATA, "a Decimal of %" PRId64 " words", d->len);
	struct err *err = val_read(v, d->data, word, (size_t)d->len * 8);
	if (err)
		return err;
	text[0] = '\0';
	for (int64_t i = d->len; i-- > 0 && at + MPD_DIGITS + 2 < room;)
		at += (size_t)snprintf(text + at, room - at,
				       i == d->len - 1 ? "%" PRIu64 : "%019" PRIu64, word[i]);
	return NULL;
}

/* to-scientific-string of the General Decimal Arithmetic Specification. */
static void put_scientific(struct buf *out, const char *digit, int64_t exp)
{
	int64_t n = (int64_t)strlen(digit), adjusted = exp + n - 1;
	if (exp <= 0 && adjusted >= -6) {
		int64_t point = n + exp;
		if (point <= 0)
			buf_puts(out, "0.");
		for (int64_t i = point; i < 0; i++)
			buf_puts(out, "0");
		for (int64_t i = 0; i < n; i++) {
			if (i && i == point)
				buf_puts(out, ".");
			buf_put(out, &digit[i], 1);
		}
		return;
	}
	buf_put(out, digit, 1);
	if (n > 1) {
		buf_puts(out, ".");
		buf_puts(out, digit + 1);
	}
	buf_printf(out, "E%+" PRId64, adjusted);
}

struct err *val_show_decimal(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	struct decimal d;
	char text[MPD_WORDS_MAX * MPD_DIGITS + 24];
	struct err *err = val_read(v, addr + data_at(v), &d, sizeof(d));
	if (!err && !(d.flags & MPD_INF) && d.len > MPD_WORDS_MAX)
		return val_put_opaque(v, addr, t);
	bool number = !err && !(d.flags & (MPD_INF | MPD_NAN | MPD_SNAN));
	bool payload = !err && d.flags & (MPD_NAN | MPD_SNAN) && d.len > 0;
	text[0] = '\0';
	if (number || payload)
		err = read_coefficient(v, &d, text, sizeof(text));
	if (err)
		return err;
	buf_puts(v->out, t->name);
	buf_puts(v->out, d.flags & MPD_NEG ? "('-" : "('");
	if (number)
		put_scientific(v->out, text, d.exp);
	else if (d.flags & MPD_INF)
		buf_puts(v->out, "Infinity");
	else
		buf_printf(v->out, "%s%s", d.flags & MPD_SNAN ? "sNaN" : "NaN", text);
	buf_puts(v->out, "')");
	return NULL;
}

/* ---- datetime: { ob_base, hash 16, hastzinfo 24, data 25, ... } ---- */

static unsigned int year(const uint8_t *data)
{
	return (unsigned int)(data[0] << 8 | data[1]);
}

static unsigned int micros(const uint8_t *data)
{
	return (unsigned int)(data[0] << 16 | data[1] << 8 | data[2]);
}

/* CPython shows a type of C's with its module and a class of Python's without. */
static void put_name(struct py_values *v, const struct py_type *t)
{
	buf_puts(v->out, t->flags & TYPE_HEAP ? t->name : t->tp_name);
}

struct err *val_show_date(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint8_t b[4];
	struct err *err = val_read(v, addr + data_at(v) + 1, b, sizeof(b));
	if (err)
		return err;
	put_name(v, t);
	buf_printf(v->out, "(%u, %u, %u)", year(b), b[2], b[3]);
	return NULL;
}

static void put_seconds(struct py_values *v, unsigned int seconds, unsigned int us)
{
	if (seconds || us)
		buf_printf(v->out, ", %u", seconds);
	if (us)
		buf_printf(v->out, ", %u", us);
}

/* ", fold=1, tzinfo=...)" */
static struct err *put_zone(struct py_values *v, uint64_t tzinfo_at, bool has, unsigned int fold)
{
	uint64_t tzinfo = 0;
	struct err *err = has ? val_word(v, tzinfo_at, 0, &tzinfo) : NULL;
	if (err)
		return err;
	if (fold)
		buf_puts(v->out, ", fold=1");
	if (tzinfo && !val_is(v, tzinfo, "NoneType")) {
		buf_puts(v->out, ", tzinfo=");
		val_put(v, tzinfo);
	}
	buf_puts(v->out, ")");
	return NULL;
}

struct err *val_show_time(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint8_t b[8]; /* hastzinfo, hour, minute, second, micros, fold */
	struct err *err = val_read(v, addr + data_at(v), b, sizeof(b));
	if (err)
		return err;
	put_name(v, t);
	buf_printf(v->out, "(%u, %u", b[1], b[2]);
	put_seconds(v, b[3], micros(b + 4));
	return put_zone(v, addr + data_at(v) + 8, b[0], b[7]);
}

struct err *val_show_datetime(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint8_t b[12]; /* hastzinfo, year, month, day, hour, minute, second, micros, fold */
	struct err *err = val_read(v, addr + data_at(v), b, sizeof(b));
	if (err)
		return err;
	put_name(v, t);
	buf_printf(v->out, "(%u, %u, %u, %u, %u", year(b + 1), b[3], b[4], b[5], b[6]);
	put_seconds(v, b[7], micros(b + 8));
	return put_zone(v, addr + data_at(v) + 16, b[0], b[11]);
}

/* 3.6: as many of the three as it takes. */
static void put_parts(struct py_values *v, const int32_t part[3])
{
	buf_printf(v->out, "(%" PRId32, part[0]);
	if (part[1] || part[2])
		buf_printf(v->out, ", %" PRId32, part[1]);
	if (part[2])
		buf_printf(v->out, ", %" PRId32, part[2]);
	buf_puts(v->out, ")");
}

struct err *val_show_timedelta(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	static const char *const names[] = { "days", "seconds", "microseconds" };
	int32_t part[3];
	bool any = false;
	struct err *err = val_read(v, addr + data_at(v), part, sizeof(part));
	if (err)
		return err;
	put_name(v, t);
	if (v->lay.timedelta_parts) {
		put_parts(v, part);
		return NULL;
	}
	buf_puts(v->out, "(");
	for (int i = 0; i < 3; i++) {
		if (!part[i])
			continue;
		buf_printf(v->out, "%s%s=%" PRId32, any ? ", " : "", names[i], part[i]);
		any = true;
	}
	buf_puts(v->out, any ? ")" : "0)");
	return NULL;
}

/* { ob_base, offset, name }; without a name and an offset it is UTC. */
struct err *val_show_timezone(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint64_t offset, name;
	int32_t part[3] = { 0 };
	struct err *err = val_field(v, addr, 0, &offset);
	if (!err)
		err = val_field(v, addr, 8, &name);
	if (!err)
		err = val_read(v, offset + data_at(v), part, sizeof(part));
	if (err)
		return err;
	put_name(v, t);
	if (!name && !part[0] && !part[1] && !part[2]) {
		buf_puts(v->out, ".utc");
		return NULL;
	}
	buf_puts(v->out, "(");
	val_put(v, offset);
	if (name) {
		buf_puts(v->out, ", ");
		val_put(v, name);
	}
	buf_puts(v->out, ")");
	return NULL;
}
