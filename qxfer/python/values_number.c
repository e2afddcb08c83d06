/* SPDX-License-Identifier: MIT */
/*
 * int, bool, float and complex.  Include/cpython/longintrepr.h; Python/pystrtod.c.
 */
#include "qxfer/python/values_priv.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGIT_BITS 30u
/* int.__repr__() refuses more than 4300 decimal digits; so much is converted. */
#define DIGITS_MAX 480u
#define LENGTH_MAX (1ull << 40)
#define BILLION	   1000000000u

struct number {
	uint64_t n; /* digits */
	bool negative;
	uint32_t digit[DIGITS_MAX]; /* least significant first */
};

/* Sign and number of digits: ob_size up to 3.11, lv_tag from 3.12 on. */
static struct err *read_size(struct py_values *v, uint64_t addr, struct number *ret)
{
	uint64_t word;
	bool tagged = v->lay.integer.tag != PY_NONE;
	struct err *err =
		val_word(v, addr, tagged ? v->lay.integer.tag : v->off->object.var_size, &word);
	if (err)
		return err;
	int64_t size = (int64_t)word;
	ret->negative = tagged ? (word & 3) == 2 : size < 0;
	ret->n = tagged ? word >> 3 : ret->negative ? 0 - word : word;
	if (tagged && (word & 3) == 1)
		ret->n = 0;
	if (ret->n > LENGTH_MAX || (tagged && (word & 3) == 3))
		return err_new(ERR_BAD_DATA, "no int at 0x%" PRIx64, addr);
	return NULL;
}

static struct err *read_digits(struct py_values *v, uint64_t addr, struct number *ret)
{
	if (v->lay.integer.digits == PY_NONE)
		return err_new(ERR_BAD_DATA, "the layout of an int is not known");
	struct err *err =
		val_read(v, addr + v->lay.integer.digits, ret->digit, ret->n * sizeof(uint32_t));
	for (uint64_t i = 0; !err && i < ret->n; i++)
		if (ret->digit[i] >> DIGIT_BITS)
			err = err_new(ERR_BAD_DATA, "no int at 0x%" PRIx64, addr);
	return err;
}

/* Divides in place; returns the remainder. */
static uint32_t divide(struct number *a)
{
	uint64_t rest = 0;
	for (uint64_t i = a->n; i-- > 0;) {
		rest = rest << DIGIT_BITS | a->digit[i];
		a->digit[i] = (uint32_t)(rest / BILLION);
		rest %= BILLION;
	}
	while (a->n && !a->digit[a->n - 1])
		a->n--;
	return (uint32_t)rest;
}

static void put_decimal(struct buf *out, struct number *a)
{
	uint32_t group[DIGITS_MAX * 2]; /* nine decimal digits each */
	size_t n = 0;
	do
		group[n++] = divide(a);
	while (a->n);
	buf_printf(out, a->negative ? "-%" PRIu32 : "%" PRIu32, group[n - 1]);
	while (--n)
		buf_printf(out, "%09" PRIu32, group[n - 1]);
}

/* What is too long to be converted: its type and int.bit_length(). */
static struct err *put_long(struct py_values *v, uint64_t addr, const struct py_type *t, uint64_t n)
{
	uint32_t top;
	struct err *err = val_read(v, addr + v->lay.integer.digits + (n - 1) * sizeof(top), &top,
				   sizeof(top));
	if (!err && (!top || top >> DIGIT_BITS))
		err = err_new(ERR_BAD_DATA, "no int at 0x%" PRIx64, addr);
	if (err)
		return err;
	buf_printf(v->out, "<%s of %" PRIu64 " bits at 0x%" PRIx64 ">", t->name,
		   n * DIGIT_BITS - (uint64_t)(__builtin_clz(top) - 2), addr);
	return NULL;
}

struct err *val_show_int(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	struct number a;
	struct err *err = read_size(v, addr, &a);
	if (err)
		return err;
	if (a.n > DIGITS_MAX)
		return put_long(v, addr, t, a.n);
	err = read_digits(v, addr, &a);
	if (!err)
		put_decimal(v->out, &a);
	return err;
}

bool val_int(struct py_values *v, uint64_t addr, int64_t *ret)
{
	struct number a;
	if (!val_is(v, addr, "int") && !val_is(v, addr, "bool"))
		return false;
	struct err *err = read_size(v, addr, &a);
	if (!err && a.n > 2)
		return false;
	if (!err)
		err = read_digits(v, addr, &a);
	if (err) {
		err_drop(err);
		return false;
	}
	int64_t value = 0;
	for (uint64_t i = a.n; i-- > 0;)
		value = value << DIGIT_BITS | a.digit[i];
	*ret = a.negative ? -value : value;
	return true;
}

bool val_int128(struct py_values *v, uint64_t addr, uint64_t ret[2])
{
	struct number a;
	unsigned __int128 value = 0;
	if (!val_is(v, addr, "int"))
		return false;
	struct err *err = read_size(v, addr, &a);
	if (!err && a.n > 5)
		return false;
	if (!err)
		err = read_digits(v, addr, &a);
	if (err || a.negative || (a.n == 5 && a.digit[4] >> (128 - 4 * DIGIT_BITS))) {
		err_drop(err);
		return false;
	}
	for (uint64_t i = a.n; i-- > 0;)
		value = value << DIGIT_BITS | a.digit[i];
	ret[0] = (uint64_t)value;
	ret[1] = (uint64_t)(value >> 64);
	return true;
}

struct err *val_show_bool(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	struct number a;
	(void)t;
	struct err *err = read_size(v, addr, &a);
	if (!err && a.n > 1)
		err = err_new(ERR_BAD_DATA, "no bool at 0x%" PRIx64, addr);
	if (!err)
		err = read_digits(v, addr, &a);
	if (!err)
		buf_puts(v->out, a.n && a.digit[0] ? "True" : "False");
	return err;
}

/* ---- floating point ---- */

/* Adds one to the last of @digits decimal digits of "d.ddde+xx"; false if all are nines. */
static bool next_up(char *text, int digits)
{
	for (char *p = text + (digits > 1 ? digits : 0); p >= text; p--) {
		if (*p == '.')
			continue;
		if (*p != '9') {
			++*p;
			return true;
		}
		*p = '0';
	}
	return false;
}

/* The shortest "d.ddde+xx" that reads back as @x, which is positive and finite. */
static int shortest(double x, char text[40])
{
	for (int digits = 1; digits < 17; digits++) {
		snprintf(text, 40, "%.*e", digits - 1, x);
		if (strtod(text, NULL) == x)
			return digits;
		/* At a power of two the gap below is half as wide as the gap above. */
		if (next_up(text, digits) && strtod(text, NULL) == x)
			return digits;
	}
	snprintf(text, 40, "%.16e", x);
	return 17;
}

static void put_positional(struct buf *out, const char *digit, int n, int point, bool dot_zero)
{
	if (point <= 0)
		buf_puts(out, "0.");
	for (int i = point; i < 0; i++)
		buf_puts(out, "0");
	for (int i = 0; i < n || i < point; i++) {
		if (i && i == point)
			buf_puts(out, ".");
		buf_put(out, i < n ? &digit[i] : "0", 1);
	}
	if (point >= n && dot_zero)
		buf_puts(out, ".0");
}

/* PyOS_double_to_string(x, 'r', 0, dot_zero ? Py_DTSF_ADD_DOT_0 : 0) */
static void put_double(struct buf *out, double x, bool dot_zero)
{
	char text[40], digit[20];
	if (isnan(x) || isinf(x)) {
		buf_puts(out, isnan(x) ? "nan" : x < 0 ? "-inf" : "inf");
		return;
	}
	if (signbit(x))
		buf_puts(out, "-");
	if (x == 0) {
		buf_puts(out, dot_zero ? "0.0" : "0");
		return;
	}
	int n = shortest(fabs(x), text);
	int exponent = (int)strtol(strchr(text, 'e') + 1, NULL, 10);
	digit[0] = text[0];
	memcpy(digit + 1, text + 2, (size_t)n - 1);
	while (n > 1 && digit[n - 1] == '0')
		n--;
	if (exponent >= -4 && exponent < 16) {
		put_positional(out, digit, n, exponent + 1, dot_zero);
		return;
	}
	buf_put(out, digit, 1);
	if (n > 1) {
		buf_puts(out, ".");
		buf_put(out, digit + 1, (size_t)n - 1);
	}
	buf_printf(out, "e%c%02d", exponent < 0 ? '-' : '+', abs(exponent));
}

void val_put_double(struct buf *out, double x)
{
	put_double(out, x, true);
}

static struct err *read_doubles(struct py_values *v, uint64_t addr, uint32_t offset, double *ret,
				size_t n)
{
	if (offset == PY_NONE)
		return err_new(ERR_BAD_DATA, "this version's layout is not known");
	return val_read(v, addr + offset, ret, n * sizeof(*ret));
}

struct err *val_show_float(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	double x;
	(void)t;
	struct err *err = read_doubles(v, addr, v->lay.floating.value, &x, 1);
	if (!err)
		put_double(v->out, x, true);
	return err;
}

/* complex_repr() */
struct err *val_show_complex(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	double part[2];
	(void)t;
	struct err *err = read_doubles(v, addr, v->lay.complex.value, part, 2);
	if (err)
		return err;
	bool alone = part[0] == 0 && !signbit(part[0]);
	if (!alone) {
		buf_puts(v->out, "(");
		put_double(v->out, part[0], false);
		if (isnan(part[1]) || !signbit(part[1]))
			buf_puts(v->out, "+");
	}
	put_double(v->out, part[1], false);
	buf_puts(v->out, alone ? "j" : "j)");
	return NULL;
}
