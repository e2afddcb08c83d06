/* SPDX-License-Identifier: MIT */
/*
 * x[key], x[a:b:c] and len(x) of CPython's own containers, and of classes of them that
 * have no code of their own for it.
 */
#include <inttypes.h>
#include <string.h>

#include "qxfer/python/eval_priv.h"

#define SCAN_MAX 1000000u /* entries of a dict */

/* struct BLOCK of a deque: leftlink, data[BLOCKLEN], rightlink */
#define BLOCKLEN    64u
#define BLOCK_DATA  8u
#define BLOCK_RIGHT 520u

/* How the items of a kind are reached. */
struct sequence {
	const char *type;
	const char *called; /* in messages */
	enum eval_kind slices;
	/* Where it is and how long; *at means something to item(). */
	struct err *(*open)(struct evaluator *e, uint64_t addr, uint64_t *at, uint64_t *n);
	struct err *(*item)(struct evaluator *e, uint64_t addr, uint64_t at, uint64_t i,
			    struct eval *ret);
};

/* ---- sequences ---- */

static struct err *open_var(struct evaluator *e, uint64_t addr, uint64_t *at, uint64_t *n)
{
	*at = addr + e->v->lay.tuple.items;
	return val_word(e->v, addr, e->v->off->object.var_size, n);
}

static struct err *open_list(struct evaluator *e, uint64_t addr, uint64_t *at, uint64_t *n)
{
	struct err *err = val_word(e->v, addr, e->v->off->object.var_size, n);
	return err ? err : val_word(e->v, addr, e->v->lay.list.items, at);
}

static struct err *object_item(struct evaluator *e, uint64_t addr, uint64_t at, uint64_t i,
			       struct eval *ret)
{
	(void)addr;
	*ret = eval_object(0);
	struct err *err = val_read(e->v, at + 8 * i, &ret->addr, 8);
	if (!err && !ret->addr)
		err = err_new(ERR_BAD_DATA, "no item there");
	return err;
}

static struct err *open_str(struct evaluator *e, uint64_t addr, uint64_t *at, uint64_t *n)
{
	*at = addr;
	return val_word(e->v, addr, e->v->off->str.length, n);
}

static struct err *str_item(struct evaluator *e, uint64_t addr, uint64_t at, uint64_t i,
			    struct eval *ret)
{
	uint32_t *c = eval_alloc(e, 1, sizeof(*c));
	(void)at;
	if (!c)
		return err_new(ERR_BAD_DATA, "more characters than are read");
	*ret = (struct eval){ .kind = EVAL_STR, .chars = c, .n = 1 };
	return val_get_part(e->v, addr, i, 1, c);
}

static struct err *open_bytes(struct evaluator *e, uint64_t addr, uint64_t *at, uint64_t *n)
{
	*at = addr + e->v->off->bytes.data;
	return val_word(e->v, addr, e->v->off->bytes.size, n);
}

static struct err *open_bytearray(struct evaluator *e, uint64_t addr, uint64_t *at, uint64_t *n)
{
	struct err *err = val_word(e->v, addr, e->v->off->object.var_size, n);
	return err ? err : val_word(e->v, addr, e->v->lay.bytearray.start, at);
}

static struct err *byte_item(struct evaluator *e, uint64_t addr, uint64_t at, uint64_t i,
			     struct eval *ret)
{
	uint8_t byte = 0;
	(void)addr;
	struct err *err = val_read(e->v, at + i, &byte, 1);
	*ret = (struct eval){ .kind = EVAL_INT, .number = byte };
	return err;
}

static struct err *open_deque(struct evaluator *e, uint64_t addr, uint64_t *at, uint64_t *n)
{
	struct err *err = val_word(e->v, addr, e->v->off->object.var_size, n);
	return err ? err : val_word(e->v, addr, e->v->lay.deque.leftblock, at);
}

static struct err *deque_item(struct evaluator *e, uint64_t addr, uint64_t at, uint64_t i,
			      struct eval *ret)
{
	uint64_t first;
	struct err *err = val_word(e->v, addr, e->v->lay.deque.leftindex, &first);
	if (!err && first > BLOCKLEN)
		err = err_new(ERR_BAD_DATA, "no deque at 0x%" PRIx64, addr);
	for (i += err ? 0 : first; !err && i >= BLOCKLEN; i -= BLOCKLEN)
		err = val_read(e->v, at + BLOCK_RIGHT, &at, sizeof(at));
	return err ? err : object_item(e, addr, at + BLOCK_DATA, i, ret);
}

static const struct sequence sequences[] = {
	{ "list", "list", EVAL_LIST, open_list, object_item },
	{ "tuple", "tuple", EVAL_TUPLE, open_var, object_item },
	{ "str", "string", EVAL_STR, open_str, str_item },
	{ "bytes", "", EVAL_BYTES, open_bytes, byte_item },
	{ "bytearray", "bytearray", EVAL_TEXT, open_bytearray, byte_item },
	{ "collections.deque", "deque", EVAL_TEXT, open_deque, deque_item },
};

static const struct sequence *find_sequence(const struct py_type *t)
{
	for (size_t i = 0; t->kind && i < sizeof(sequences) / sizeof(sequences[0]); i++)
		if (strcmp(sequences[i].type, t->kind->name) == 0)
			return &sequences[i];
	return NULL;
}

static struct err *out_of_range(const char *called)
{
	return err_new(ERR_NOT_FOUND, "%s%sindex out of range", called, *called ? " " : "");
}

/* An index from the end counts from there; false: there is no such item. */
static bool settle_index(int64_t i, uint64_t n, uint64_t *ret)
{
	if (i < 0)
		i = (uint64_t)-i > n ? -1 : (int64_t)(n - (uint64_t)-i);
	*ret = (uint64_t)i;
	return i >= 0 && (uint64_t)i < n;
}

static struct err *sequence_item(struct evaluator *e, const struct sequence *s, uint64_t addr,
				 const struct eval *key, struct eval *ret)
{
	uint64_t at, n, index;
	int64_t i;
	if (!eval_int(e, key, &i))
		return err_new(ERR_BAD_DATA, "%s indices must be integers or slices, not %.60s",
			       *s->called ? s->called : s->type, eval_type_name(e, key));
	struct err *err = s->open(e, addr, &at, &n);
	if (!err && !settle_index(i, n, &index))
		err = out_of_range(s->called);
	return err ? err : s->item(e, addr, at, index, ret);
}

static struct err *made_item(struct evaluator *e, const struct eval *of, const struct eval *key,
			     struct eval *ret)
{
	static const char *const called[] = { [EVAL_STR] = "string",
					      [EVAL_BYTES] = "",
					      [EVAL_TUPLE] = "tuple",
					      [EVAL_LIST] = "list" };
	uint64_t index;
	int64_t i;
	if (of->kind < EVAL_STR || of->kind > EVAL_LIST)
		return err_new(ERR_BAD_DATA, "'%.60s' object is not subscriptable",
			       eval_type_name(e, of));
	if (!eval_int(e, key, &i))
		return err_new(ERR_BAD_DATA, "indices must be integers or slices, not %.60s",
			       eval_type_name(e, key));
	if (!settle_index(i, of->n, &index))
		return out_of_range(called[of->kind]);
	if (of->items)
		*ret = of->items[index];
	else if (of->kind == EVAL_BYTES)
		*ret = (struct eval){ .kind = EVAL_INT, .number = of->chars[index] };
	else
		*ret = (struct eval){ .kind = EVAL_STR, .chars = of->chars + index, .n = 1 };
	return NULL;
}

/* ---- dicts ---- */

static struct err *no_key(struct evaluator *e, const struct py_type *t, const struct eval *key,
			  bool known)
{
	bool missing = false;
	if (!known)
		return err_new(ERR_BAD_DATA,
			       "not by memory alone: code says what some of its keys are equal to");
	struct err *err = eval_overridden(e, t, "__missing__", &missing);
	if (err)
		return err;
	if (missing)
		return err_new(ERR_BAD_DATA,
			       "not by memory alone: no such key, and %.60s.__missing__()",
			       t->name);
	eval_begin(e);
	if (key->kind == EVAL_OBJECT)
		val_put(e->v, key->addr);
	else if (key->kind == EVAL_INT)
		buf_printf(&e->scratch, "%" PRId64, key->number);
	else if (key->kind == EVAL_STR)
		val_put_quoted(e->v, key->chars, key->n < 60 ? key->n : 60);
	else
		buf_puts(&e->scratch, eval_type_name(e, key));
	buf_put(&e->scratch, "", 1);
	return err_new(ERR_NOT_FOUND, "no such key: %.90s",
		       e->scratch.failed ? "" : (const char *)e->scratch.data);
}

static struct err *scan(struct evaluator *e, uint64_t dict, const struct eval *key, uint64_t *ret,
			bool *known)
{
	struct val_dict d;
	uint64_t at, value;
	*ret = 0;
	*known = true;
	eval_begin(e);
	struct err *err = val_dict_open(e->v, dict, &d);
	for (uint32_t i = 0; !err && i < SCAN_MAX; i++) {
		bool equal, clear;
		err = val_dict_next(e->v, &d, &at, &value);
		if (err || !at)
			return err;
		err = eval_equal(e, key, at, &equal, &clear);
		*known = *known && clear;
		if (!err && equal) {
			*ret = value;
			return NULL;
		}
	}
	return err ? err : err_new(ERR_BAD_DATA, "more than %u keys", SCAN_MAX);
}

static struct err *dict_item(struct evaluator *e, const struct py_type *t, uint64_t dict,
			     const struct eval *key, struct eval *ret)
{
	struct eval plain;
	uint64_t value;
	bool known;
	if (key->kind == EVAL_LIST || key->kind == EVAL_TEXT)
		return err_new(ERR_BAD_DATA, "unhashable type: '%s'", eval_type_name(e, key));
	struct err *err = eval_key(e, key, &plain);
	if (!err)
		err = scan(e, dict, &plain, &value, &known);
	if (err)
		return err;
	*ret = eval_object(value);
	return value ? NULL : no_key(e, t, key, known);
}

/* ---- what has items ---- */

struct err *eval_item(struct evaluator *e, const struct eval *of, const struct eval *key,
		      struct eval *ret)
{
	static const char *const dicts[] = { "dict", "frozendict", "collections.defaultdict",
					     "collections.OrderedDict" };
	const struct py_type *t;
	bool code;
	if (of->kind != EVAL_OBJECT)
		return made_item(e, of, key, ret);
	eval_begin(e);
	struct err *err = val_type_of(e->v, of->addr, &t);
	if (!err)
		err = eval_overridden(e, t, "__getitem__", &code);
	if (!err && code)
		err = err_new(ERR_BAD_DATA, "not by memory alone: %.60s.__getitem__()", t->name);
	if (err)
		return err;
	const struct sequence *s = find_sequence(t);
	if (s)
		return sequence_item(e, s, of->addr, key, ret);
	for (size_t i = 0; t->kind && i < sizeof(dicts) / sizeof(dicts[0]); i++)
		if (strcmp(dicts[i], t->kind->name) == 0)
			return dict_item(e, t, of->addr, key, ret);
	if (t->kind && strcmp(t->kind->name, "mappingproxy") == 0) {
		struct eval inner = eval_object(0);
		err = val_word(e->v, of->addr, e->v->lay.proxy.mapping, &inner.addr);
		bool dict = !err && val_is_exactly(e->v, inner.addr, "dict");
		if (dict)
			return dict_item(e, t, inner.addr, key, ret);
	}
	if (err)
		return err;
	return err_new(ERR_BAD_DATA, "items of '%.60s' objects are not read", t->name);
}

/* ---- slices ---- */

struct range {
	int64_t start, step;
	uint64_t n;
};

static bool is_none(struct evaluator *e, const struct eval *x)
{
	return !x || x->kind == EVAL_NONE ||
	       (x->kind == EVAL_OBJECT && val_is(e->v, x->addr, "NoneType"));
}

/* A bound as PySlice_AdjustIndices() makes it, Objects/sliceobject.c. */
static int64_t adjust(int64_t i, int64_t n, int64_t step)
{
	if (i < 0)
		i = i + n < 0 ? (step < 0 ? -1 : 0) : i + n;
	else if (i >= n)
		i = step < 0 ? n - 1 : n;
	return i;
}

static struct err *settle_slice(struct evaluator *e, const struct eval *const part[3], uint64_t len,
				struct range *ret)
{
	int64_t bound[3] = { 0, 0, 1 }, n = (int64_t)len;
	for (unsigned int i = 0; i < 3; i++)
		if (!is_none(e, part[i]) && !eval_int(e, part[i], &bound[i]))
			return err_new(ERR_BAD_DATA, "slice indices must be integers or None");
	if (!bound[2])
		return err_new(ERR_BAD_DATA, "slice step cannot be zero");
	int64_t step = bound[2];
	int64_t start = is_none(e, part[0]) ? (step < 0 ? n - 1 : 0) : adjust(bound[0], n, step);
	int64_t stop = is_none(e, part[1]) ? (step < 0 ? -1 : n) : adjust(bound[1], n, step);
	*ret = (struct range){ .start = start, .step = step };
	if (step < 0 && stop < start)
		ret->n = (uint64_t)(start - stop - 1) / (0 - (uint64_t)step) + 1;
	else if (step > 0 && start < stop)
		ret->n = (uint64_t)(stop - start - 1) / (uint64_t)step + 1;
	return NULL;
}

static struct err *put_together(struct evaluator *e, enum eval_kind kind, const struct eval *items,
				size_t n, struct eval *ret)
{
	*ret = (struct eval){ .kind = kind, .items = items, .n = n };
	if (kind != EVAL_STR && kind != EVAL_BYTES)
		return NULL;
	uint32_t *chars = eval_alloc(e, n, sizeof(*chars));
	if (!chars)
		return err_new(ERR_BAD_DATA, "a slice of %zu items is too long", n);
	for (size_t i = 0; i < n; i++)
		chars[i] = kind == EVAL_STR ? items[i].chars[0] : (uint32_t)items[i].number;
	ret->items = NULL;
	ret->chars = chars;
	return NULL;
}

static struct err *made_slice(struct evaluator *e, const struct eval *of,
			      const struct eval *const part[3], struct eval *ret)
{
	struct range r;
	if (of->kind < EVAL_STR || of->kind > EVAL_LIST)
		return err_new(ERR_BAD_DATA, "'%.60s' object is not subscriptable",
			       eval_type_name(e, of));
	struct err *err = settle_slice(e, part, of->n, &r);
	struct eval *items = err ? NULL : eval_alloc(e, r.n, sizeof(*items));
	if (!err && !items)
		return err_new(ERR_BAD_DATA, "a slice of %" PRIu64 " items is too long", r.n);
	for (size_t i = 0; !err && i < r.n; i++) {
		struct eval key = { .kind = EVAL_INT, .number = r.start + (int64_t)i * r.step };
		err = made_item(e, of, &key, &items[i]);
	}
	return err ? err : put_together(e, of->kind, items, r.n, ret);
}

struct err *eval_slice(struct evaluator *e, const struct eval *of, const struct eval *const part[3],
		       struct eval *ret)
{
	const struct py_type *t;
	uint64_t at, n;
	bool code;
	struct range r;
	if (of->kind != EVAL_OBJECT)
		return made_slice(e, of, part, ret);
	eval_begin(e);
	struct err *err = val_type_of(e->v, of->addr, &t);
	if (!err)
		err = eval_overridden(e, t, "__getitem__", &code);
	if (!err && code)
		err = err_new(ERR_BAD_DATA, "not by memory alone: %.60s.__getitem__()", t->name);
	const struct sequence *s = err ? NULL : find_sequence(t);
	if (!err && (!s || s->slices == EVAL_TEXT))
		err = err_new(ERR_BAD_DATA, "slices of '%.60s' objects are not read", t->name);
	if (!err)
		err = s->open(e, of->addr, &at, &n);
	if (!err && n > INT64_MAX)
		err = err_new(ERR_BAD_DATA, "a length of 0x%" PRIx64, n);
	if (!err)
		err = settle_slice(e, part, n, &r);
	struct eval *items = err ? NULL : eval_alloc(e, r.n, sizeof(*items));
	if (!err && !items)
		return err_new(ERR_BAD_DATA, "a slice of %" PRIu64 " items is too long", r.n);
	for (size_t i = 0; !err && i < r.n; i++)
		err = s->item(e, of->addr, at, (uint64_t)(r.start + (int64_t)i * r.step),
			      &items[i]);
	return err ? err : put_together(e, s->slices, items, r.n, ret);
}

/* ---- len() ---- */

static struct err *dict_len(struct evaluator *e, const struct py_type *t, uint64_t addr,
			    uint64_t *n)
{
	const struct {
		const char *type;
		uint32_t offset;
	} sizes[] = {
		{ "dict", e->v->lay.dict.used },
		{ "frozendict", e->v->lay.dict.used },
		{ "collections.defaultdict", e->v->lay.dict.used },
		{ "collections.OrderedDict", e->v->lay.dict.used },
		{ "set", e->v->lay.set.used },
		{ "frozenset", e->v->lay.set.used },
	};
	for (size_t i = 0; t->kind && i < sizeof(sizes) / sizeof(sizes[0]); i++)
		if (strcmp(sizes[i].type, t->kind->name) == 0)
			return val_word(e->v, addr, sizes[i].offset, n);
	return err_new(ERR_BAD_DATA, "not by memory alone: len() of '%.60s' objects", t->name);
}

struct err *eval_len(struct evaluator *e, const struct eval *of, struct eval *ret)
{
	const struct py_type *t;
	uint64_t at, n;
	bool code;
	*ret = (struct eval){ .kind = EVAL_INT, .number = (int64_t)of->n };
	if (of->kind != EVAL_OBJECT)
		return of->kind >= EVAL_STR && of->kind <= EVAL_LIST
			       ? NULL
			       : err_new(ERR_BAD_DATA, "object of type '%.60s' has no len()",
					 eval_type_name(e, of));
	eval_begin(e);
	struct err *err = val_type_of(e->v, of->addr, &t);
	if (!err)
		err = eval_overridden(e, t, "__len__", &code);
	if (!err && code)
		err = err_new(ERR_BAD_DATA, "not by memory alone: %.60s.__len__()", t->name);
	if (err)
		return err;
	const struct sequence *s = find_sequence(t);
	err = s ? s->open(e, of->addr, &at, &n) : dict_len(e, t, of->addr, &n);
	if (!err)
		ret->number = (int64_t)n;
	return err;
}
