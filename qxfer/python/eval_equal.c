/* SPDX-License-Identifier: MIT */
/* Constants against the keys of a dict: as a == b of CPython's own types says. */
#include <string.h>

#include "qxfer/python/eval_priv.h"

#define NEST_MAX 20u /* tuples one inside the other */

bool eval_int(struct evaluator *e, const struct eval *x, int64_t *ret)
{
	if (x->kind == EVAL_OBJECT)
		return val_int(e->v, x->addr, ret);
	*ret = x->number;
	return x->kind == EVAL_INT || x->kind == EVAL_BOOL;
}

static bool double_is_int(double d, int64_t i)
{
	return d >= -0x1p62 && d <= 0x1p62 && (int64_t)d == i && (double)(int64_t)d == d;
}

/* 1, 1.0 and True are one key. */
static struct err *number_equal(struct evaluator *e, const struct eval *c, uint64_t addr,
				bool *equal)
{
	int64_t i = 0;
	uint64_t word = 0;
	double d;
	if (val_is(e->v, addr, "float")) {
		struct err *err = val_word(e->v, addr, e->v->lay.floating.value, &word);
		memcpy(&d, &word, sizeof(d));
		*equal = c->kind == EVAL_FLOAT ? c->real == d : double_is_int(d, c->number);
		return err;
	}
	/* An int that does not fit is larger than any constant. */
	*equal = val_int(e->v, addr, &i) &&
		 (c->kind == EVAL_FLOAT ? double_is_int(c->real, i) : c->number == i);
	return NULL;
}

static struct err *str_equal(struct evaluator *e, const struct eval *c, uint64_t addr, bool *equal)
{
	uint32_t few[64], *chars = few;
	size_t n;
	*equal = false;
	if (c->n > 64) {
		chars = eval_alloc(e, c->n, sizeof(uint32_t));
		if (!chars)
			return &err_nomem;
	}
	struct err *err = val_get_str(e->v, addr, chars, c->n, &n);
	if (err_catch(&err, ERR_NOT_FOUND))
		return NULL; /* it is longer */
	*equal = !err && n == c->n && (!n || memcmp(chars, c->chars, n * sizeof(*chars)) == 0);
	return err;
}

static struct err *bytes_equal(struct evaluator *e, const struct eval *c, uint64_t addr,
			       bool *equal)
{
	uint64_t n;
	uint8_t part[256];
	*equal = false;
	struct err *err = val_word(e->v, addr, e->v->off->bytes.size, &n);
	if (err || n != c->n)
		return err;
	for (size_t at = 0; at < n; at += sizeof(part)) {
		size_t len = n - at < sizeof(part) ? n - at : sizeof(part);
		err = val_read(e->v, addr + e->v->off->bytes.data + at, part, len);
		for (size_t i = 0; !err && i < len; i++)
			if (part[i] != c->chars[at + i])
				return NULL;
		if (err)
			return err;
	}
	*equal = true;
	return NULL;
}

static struct err *equal_at(struct evaluator *e, const struct eval *c, uint64_t addr,
			    unsigned int depth, bool *equal, bool *known);

static struct err *tuple_equal(struct evaluator *e, const struct eval *c, uint64_t addr,
			       unsigned int depth, bool *equal, bool *known)
{
	uint64_t n, item;
	*equal = false;
	struct err *err = val_word(e->v, addr, e->v->off->object.var_size, &n);
	if (err || n != c->n)
		return err;
	*equal = true;
	for (size_t i = 0; !err && *equal && *known && i < n; i++) {
		err = val_word(e->v, addr + 8 * i, e->v->lay.tuple.items, &item);
		if (!err)
			err = equal_at(e, &c->items[i], item, depth + 1, equal, known);
	}
	return err;
}

/* Whether nothing but CPython's own code says what a @t equals: it is static. */
static bool is_plain(const struct py_type *t)
{
	return !(t->flags & TYPE_HEAP);
}

static struct err *equal_at(struct evaluator *e, const struct eval *c, uint64_t addr,
			    unsigned int depth, bool *equal, bool *known)
{
	/* By the constant's kind: the types that can be equal to it. */
	static const struct {
		const char *type, * or, *also;
	} can_equal[] = {
		[EVAL_NONE] = { "NoneType", NULL, NULL },
		[EVAL_BOOL] = { "int", "bool", "float" },
		[EVAL_INT] = { "int", "bool", "float" },
		[EVAL_FLOAT] = { "int", "bool", "float" },
		[EVAL_ELLIPSIS] = { "ellipsis", NULL, NULL },
		[EVAL_STR] = { "str", NULL, NULL },
		[EVAL_BYTES] = { "bytes", NULL, NULL },
		[EVAL_TUPLE] = { "tuple", NULL, NULL },
		[EVAL_TEXT] = { NULL, NULL, NULL },
	};
	const struct py_type *t;
	*equal = false;
	if (c->kind == EVAL_OBJECT && c->addr == addr) {
		*equal = true;
		return NULL;
	}
	struct err *err = val_type_of(e->v, addr, &t);
	if (err || depth > NEST_MAX)
		return err;
	if (!is_plain(t) || c->kind == EVAL_OBJECT || !t->kind) {
		*known = c->kind != EVAL_OBJECT && is_plain(t);
		return NULL;
	}
	const char *const *name = &can_equal[c->kind].type;
	bool can = false;
	for (unsigned int i = 0; i < 3 && name[i]; i++)
		can = can || strcmp(t->kind->name, name[i]) == 0;
	if (!can) {
		/* Complex numbers and decimals are equal to numbers, too. */
		*known = c->kind != EVAL_INT && c->kind != EVAL_BOOL && c->kind != EVAL_FLOAT;
		*known = *known ||
			 (t->kind->show != val_show_complex && t->kind->show != val_show_decimal);
		return NULL;
	}
	switch (c->kind) {
	case EVAL_STR:
		return str_equal(e, c, addr, equal);
	case EVAL_BYTES:
		return bytes_equal(e, c, addr, equal);
	case EVAL_TUPLE:
		return tuple_equal(e, c, addr, depth, equal, known);
	case EVAL_NONE:
	case EVAL_ELLIPSIS:
		*equal = true;
		return NULL;
	default:
		return number_equal(e, c, addr, equal);
	}
}

static struct err *plain_value(struct evaluator *e, const struct eval *x, struct eval *ret)
{
	const struct py_type *t;
	struct py_values *v = e->v;
	uint64_t word;
	*ret = *x;
	if (x->kind != EVAL_OBJECT)
		return NULL;
	struct err *err = val_type_of(v, x->addr, &t);
	if (err || !is_plain(t) || !t->kind)
		return err;
	if (val_int(v, x->addr, &ret->number)) {
		ret->kind = EVAL_INT;
	} else if (val_is(v, x->addr, "float")) {
		err = val_word(v, x->addr, v->lay.floating.value, &word);
		ret->kind = EVAL_FLOAT;
		memcpy(&ret->real, &word, sizeof(word));
	} else if (val_is(v, x->addr, "str")) {
		uint64_t n;
		err = val_word(v, x->addr, v->off->str.length, &n);
		uint32_t *chars = err ? NULL : eval_alloc(e, n, sizeof(uint32_t));
		if (!err && !chars)
			return err_new(ERR_BAD_DATA, "a key that is too long");
		if (!err)
			err = val_get_str(v, x->addr, chars, n, &ret->n);
		ret->kind = EVAL_STR;
		ret->chars = chars;
	} else if (val_is(v, x->addr, "NoneType")) {
		ret->kind = EVAL_NONE;
	}
	return err;
}

struct err *eval_equal(struct evaluator *e, const struct eval *constant, uint64_t addr, bool *equal,
		       bool *known)
{
	*known = true;
	return equal_at(e, constant, addr, 0, equal, known);
}

struct err *eval_key(struct evaluator *e, const struct eval *x, struct eval *ret)
{
	eval_begin(e);
	return plain_value(e, x, ret);
}
