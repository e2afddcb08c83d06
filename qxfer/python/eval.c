/* SPDX-License-Identifier: MIT */
/* Names, constants and functions; and how a value is shown. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "qxfer/python/eval_priv.h"
#include "qxfer/python/locals.h"
#include "qxfer/python/text.h"

static struct err *evaluate(struct evaluator *e, const struct py_expr *x, struct eval *ret);

void eval_begin(struct evaluator *e)
{
	buf_clear(&e->scratch);
	val_begin(e->v, &e->scratch);
}

const char *eval_type_name(struct evaluator *e, const struct eval *x)
{
	static const char *const names[] = {
		[EVAL_NONE] = "NoneType",     [EVAL_BOOL] = "bool",   [EVAL_INT] = "int",
		[EVAL_FLOAT] = "float",	      [EVAL_STR] = "str",     [EVAL_BYTES] = "bytes",
		[EVAL_ELLIPSIS] = "ellipsis", [EVAL_TUPLE] = "tuple", [EVAL_LIST] = "list",
		[EVAL_TEXT] = "method",
	};
	const struct py_type *t;
	if (x->kind != EVAL_OBJECT)
		return names[x->kind];
	struct err *err = val_type_of(e->v, x->addr, &t);
	const char *name = err ? "?" : t->name;
	err_drop(err);
	return name;
}

void *eval_alloc(struct evaluator *e, size_t count, size_t size)
{
	if (count > e->room)
		return NULL;
	e->room -= count;
	return arena_alloc(&e->arena, count * size + 1);
}

struct err *eval_make_text(struct evaluator *e, const char *utf8, enum eval_kind kind,
			   struct eval *ret)
{
	size_t len = strlen(utf8), n = 0;
	*ret = (struct eval){ .kind = kind };
	ret->text = arena_strdup(&e->arena, utf8, len);
	uint32_t *chars = eval_alloc(e, len, sizeof(uint32_t));
	if (!ret->text || !chars)
		return &err_nomem;
	for (size_t i = 0; i < len; i++) {
		uint8_t c = (uint8_t)utf8[i];
		if ((c & 0xc0) != 0x80)
			chars[n++] = c < 0x80 ? c : c & (c < 0xe0 ? 0x1fu : c < 0xf0 ? 0xfu : 0x7u);
		else if (n)
			chars[n - 1] = chars[n - 1] << 6 | (c & 0x3f);
	}
	ret->chars = chars;
	ret->n = n;
	return NULL;
}

/* ---- names ---- */

struct search {
	const char *name;
	bool found;
	uint64_t addr;
	enum py_local_kind kind;
};

static void look_at(void *arg, const struct py_local *local)
{
	struct search *s = arg;
	if (strcmp(local->name, s->name) != 0)
		return;
	/* A class body's own names hide those of the function around it. */
	s->found = true;
	s->addr = local->addr;
	s->kind = local->kind;
}

/* Only who is where is wanted, so the values are cut as short as can be. */
static struct err *find_local(struct evaluator *e, struct search *s)
{
	const struct py_limits limits = e->v->limits;
	e->v->limits =
		(struct py_limits){ .depth = 1, .items = 1, .chars = 1, .bytes = 1, .reads = 1000 };
	struct err *err = py_locals_visit(e->v, e->frame, look_at, s);
	e->v->limits = limits;
	return err;
}

/* A dict that the frame has at @offset. */
static struct err *find_in(struct evaluator *e, uint32_t offset, const char *name, uint64_t *ret)
{
	uint64_t dict;
	*ret = 0;
	eval_begin(e);
	struct err *err = val_word(e->v, e->frame->addr, offset, &dict);
	if (err || !dict)
		return err;
	if (!val_is(e->v, dict, "dict"))
		return err_new(ERR_BAD_DATA, "no dict at 0x%" PRIx64, dict);
	return val_dict_find(e->v, dict, name, ret);
}

static struct err *find_name(struct evaluator *e, const char *name, struct eval *ret,
			     const char **scope)
{
	struct search s = { .name = name };
	struct err *err = find_local(e, &s);
	uint64_t addr = 0;
	if (!err && s.found && !s.addr)
		return err_new(ERR_NOT_FOUND, "'%.60s' is not set yet, or no more", name);
	*scope = "local";
	if (!err && s.found)
		addr = s.addr;
	if (!err && !addr) {
		*scope = "global";
		err = find_in(e, e->v->lay.frame.globals, name, &addr);
	}
	if (!err && !addr) {
		*scope = "builtin";
		err = find_in(e, e->v->lay.frame.builtins, name, &addr);
	}
	if (!err && !addr)
		err = err_new(ERR_NOT_FOUND, "'%.60s' is not defined", name);
	if (!err)
		*ret = eval_object(addr);
	return err;
}

/* ---- functions ---- */

static struct err *type_of(struct evaluator *e, const struct eval *x, struct eval *ret)
{
	const struct py_type *t;
	if (x->kind != EVAL_OBJECT) {
		eval_begin(e);
		buf_printf(&e->scratch, "<class '%s'>", eval_type_name(e, x));
		buf_put(&e->scratch, "", 1);
		return e->scratch.failed
			       ? &err_nomem
			       : eval_make_text(e, (const char *)e->scratch.data, EVAL_TEXT, ret);
	}
	eval_begin(e);
	struct err *err = val_type_of(e->v, x->addr, &t);
	if (!err)
		*ret = eval_object(t->addr);
	return err;
}

static struct err *id_of(struct evaluator *e, const struct eval *x, struct eval *ret)
{
	(void)e;
	if (x->kind != EVAL_OBJECT)
		return err_new(ERR_BAD_DATA, "that is no object of the program");
	*ret = (struct eval){ .kind = EVAL_INT, .number = (int64_t)x->addr };
	return NULL;
}

static struct err *call(struct evaluator *e, const struct py_expr *x, struct eval *ret)
{
	static const struct {
		const char *name;
		struct err *(*run)(struct evaluator *e, const struct eval *x, struct eval *ret);
	} functions[] = { { "len", eval_len }, { "type", type_of }, { "id", id_of } };
	struct eval of, function;
	const char *scope;
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		if (strcmp(functions[i].name, x->name) != 0)
			continue;
		struct err *err = find_name(e, x->name, &function, &scope);
		if (!err && strcmp(scope, "builtin") != 0)
			return err_new(ERR_BAD_DATA, "not by memory alone: a call of the %s '%s'",
				       scope, x->name);
		if (!err)
			err = evaluate(e, x->of, &of);
		return err ? err : functions[i].run(e, &of, ret);
	}
	return err_new(ERR_BAD_DATA, "not by memory alone: a call of '%.60s'", x->name);
}

/* ---- expressions ---- */

static struct err *make_tuple(struct evaluator *e, const struct py_expr *x, struct eval *ret)
{
	struct eval *items = eval_alloc(e, x->n, sizeof(*items));
	struct err *err = NULL;
	if (!items)
		return &err_nomem;
	for (size_t i = 0; !err && i < x->n; i++)
		err = evaluate(e, x->part[i], &items[i]);
	*ret = (struct eval){ .kind = EVAL_TUPLE, .items = items, .n = x->n };
	return err;
}

static struct err *constant(struct evaluator *e, const struct py_expr *x, struct eval *ret)
{
	static const enum eval_kind kinds[] = {
		[PY_EXPR_NONE] = EVAL_NONE,	    [PY_EXPR_BOOL] = EVAL_BOOL,
		[PY_EXPR_INT] = EVAL_INT,	    [PY_EXPR_FLOAT] = EVAL_FLOAT,
		[PY_EXPR_STR] = EVAL_STR,	    [PY_EXPR_BYTES] = EVAL_BYTES,
		[PY_EXPR_ELLIPSIS] = EVAL_ELLIPSIS,
	};
	(void)e;
	*ret = (struct eval){ .kind = kinds[x->kind],
			      .number = x->number,
			      .real = x->real,
			      .chars = x->chars,
			      .n = x->n };
	return NULL;
}

static struct err *name(struct evaluator *e, const struct py_expr *x, struct eval *ret)
{
	const char *scope;
	return find_name(e, x->name, ret, &scope);
}

static struct err *attr(struct evaluator *e, const struct py_expr *x, struct eval *ret)
{
	struct eval of;
	struct err *err = evaluate(e, x->of, &of);
	return err ? err : eval_attr(e, &of, x->name, ret);
}

static struct err *item(struct evaluator *e, const struct py_expr *x, struct eval *ret)
{
	struct eval of, key;
	struct err *err = evaluate(e, x->of, &of);
	if (!err)
		err = evaluate(e, x->part[0], &key);
	return err ? err : eval_item(e, &of, &key, ret);
}

static struct err *slice(struct evaluator *e, const struct py_expr *x, struct eval *ret)
{
	struct eval of, value[3];
	const struct eval *part[3] = { NULL };
	struct err *err = evaluate(e, x->of, &of);
	for (unsigned int i = 0; !err && i < 3; i++) {
		if (!x->part[i])
			continue;
		err = evaluate(e, x->part[i], &value[i]);
		part[i] = &value[i];
	}
	return err ? err : eval_slice(e, &of, part, ret);
}

static struct err *evaluate(struct evaluator *e, const struct py_expr *x, struct eval *ret)
{
	static struct err *(*const how[])(struct evaluator * e, const struct py_expr *x,
					  struct eval *ret) = {
		[PY_EXPR_NAME] = name,	      [PY_EXPR_NONE] = constant,
		[PY_EXPR_BOOL] = constant,    [PY_EXPR_INT] = constant,
		[PY_EXPR_FLOAT] = constant,   [PY_EXPR_STR] = constant,
		[PY_EXPR_BYTES] = constant,   [PY_EXPR_ELLIPSIS] = constant,
		[PY_EXPR_TUPLE] = make_tuple, [PY_EXPR_ATTR] = attr,
		[PY_EXPR_ITEM] = item,	      [PY_EXPR_SLICE] = slice,
		[PY_EXPR_CALL] = call,
	};
	return how[x->kind](e, x, ret);
}

struct err *eval_expression(struct evaluator *e, const struct py_expr *x, struct eval *ret)
{
	return evaluate(e, x, ret);
}

/* ---- what is shown ---- */

static void put(struct evaluator *e, const struct eval *x, unsigned int depth);

static void put_items(struct evaluator *e, const struct eval *x, unsigned int depth)
{
	struct py_values *v = e->v;
	bool list = x->kind == EVAL_LIST;
	buf_puts(v->out, list ? "[" : "(");
	for (size_t i = 0; i < x->n && val_item(v, i); i++)
		put(e, &x->items[i], depth + 1);
	buf_puts(v->out, list ? "]" : x->n == 1 ? ",)" : ")");
}

static void put_bytes(struct evaluator *e, const struct eval *x)
{
	struct py_values *v = e->v;
	size_t n = x->n < v->limits.chars ? x->n : v->limits.chars;
	val_put_byte_string(v, x->chars, n);
	if (n < x->n)
		buf_puts(v->out, "...");
}

static void put_chars(struct evaluator *e, const struct eval *x)
{
	struct py_values *v = e->v;
	size_t n = x->n < v->limits.chars ? x->n : v->limits.chars;
	val_put_quoted(v, x->chars, n);
	if (n < x->n)
		buf_puts(v->out, "...");
}

static void put(struct evaluator *e, const struct eval *x, unsigned int depth)
{
	struct buf *out = e->v->out;
	switch (x->kind) {
	case EVAL_OBJECT:
		val_put(e->v, x->addr);
		return;
	case EVAL_INT:
		buf_printf(out, "%" PRId64, x->number);
		return;
	case EVAL_FLOAT:
		val_put_double(out, x->real);
		return;
	case EVAL_STR:
		put_chars(e, x);
		return;
	case EVAL_BYTES:
		put_bytes(e, x);
		return;
	case EVAL_TUPLE:
	case EVAL_LIST:
		if (depth < PY_EXPR_DEPTH_MAX)
			put_items(e, x, depth);
		return;
	case EVAL_TEXT:
		buf_puts(out, x->text);
		return;
	default:
		buf_puts(out, x->kind == EVAL_NONE	 ? "None"
			      : x->kind == EVAL_ELLIPSIS ? "Ellipsis"
			      : x->number		 ? "True"
							 : "False");
	}
}

struct err *py_eval_put(struct py_values *v, const struct py_frame *f, const struct py_expr *x,
			struct buf *out, const char **scope)
{
	struct evaluator e = { .v = v, .frame = f, .room = EVAL_ITEMS_MAX };
	struct eval value;
	*scope = NULL;
	struct err *err = f->corrupt		    ? err_new(ERR_BAD_DATA, "%s", f->name)
			  : x->kind == PY_EXPR_NAME ? find_name(&e, x->name, &value, scope)
						    : evaluate(&e, x, &value);
	if (!err) {
		val_begin(v, out);
		put(&e, &value, 0);
	}
	arena_deinit(&e.arena);
	buf_deinit(&e.scratch);
	return err;
}
