/* SPDX-License-Identifier: MIT */
/*
 * A parser by recursive descent.  The Python Language Reference, "Expressions", of
 * which this is the part that asks nothing to be run.
 */
#include <string.h>

#include "qxfer/python/expr_priv.h"

#define ITEMS_MAX 100u /* of one tuple */

static bool at_mark(const struct expr_parser *x, char mark)
{
	return x->token == T_MARK && x->mark == mark;
}

static struct err *expect(struct expr_parser *x, char mark)
{
	char what[] = "expected '?'";
	what[10] = mark;
	return at_mark(x, mark) ? expr_next(x) : expr_wrong(x, x->start, what);
}

/* ---- grammar ---- */

static struct err *parse(struct expr_parser *x, const struct py_expr **ret);

static struct err *make(struct expr_parser *x, enum py_expr_kind kind, struct py_expr **ret)
{
	*ret = arena_alloc(x->arena, sizeof(**ret));
	if (!*ret)
		return &err_nomem;
	(*ret)->kind = kind;
	return NULL;
}

/* Expressions with commas between them, up to @end; *comma: the last has one, or there is none. */
static struct err *parse_list(struct expr_parser *x, char end, const struct py_expr ***ret,
			      size_t *n, bool *comma)
{
	const struct py_expr **items = arena_alloc(
		x->arena,
		ITEMS_MAX * sizeof(struct py_expr *)); /* NOLINT(bugprone-sizeof-expression) */
	if (!items)
		return &err_nomem;
	*comma = true;
	for (*n = 0; !at_mark(x, end); ++*n) {
		if (!*comma)
			return expr_wrong(x, x->start, "expected ','");
		if (*n == ITEMS_MAX)
			return expr_wrong(x, x->start, "too many items");
		struct err *err = parse(x, &items[*n]);
		*comma = !err && at_mark(x, ',');
		if (*comma)
			err = expr_next(x);
		if (err)
			return err;
	}
	*ret = items;
	return NULL;
}

/* Behind a '(' or a '[': one expression, or a tuple. */
static struct err *parse_tuple(struct expr_parser *x, char end, const struct py_expr **ret)
{
	const struct py_expr **items;
	struct py_expr *e;
	size_t n;
	bool comma;
	struct err *err = parse_list(x, end, &items, &n, &comma);
	if (!err)
		err = expect(x, end);
	if (err)
		return err;
	if (n == 1 && !comma) {
		*ret = items[0];
		return NULL;
	}
	err = make(x, PY_EXPR_TUPLE, &e);
	if (err)
		return err;
	e->part = items;
	e->n = n;
	*ret = e;
	return NULL;
}

static bool is_operator(const char *name)
{
	static const char *const words[] = { "and",    "await", "for", "if",   "in",	"is",
					     "lambda", "not",	"or",  "else", "async", "yield" };
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i], name) == 0)
			return true;
	return false;
}

static struct err *parse_word(struct expr_parser *x, struct py_expr *e)
{
	static const struct {
		const char *word;
		enum py_expr_kind kind;
		int64_t number;
	} words[] = {
		{ "None", PY_EXPR_NONE, 0 },
		{ "True", PY_EXPR_BOOL, 1 },
		{ "False", PY_EXPR_BOOL, 0 },
	};
	if (is_operator(x->name))
		return expr_wrong(x, x->start, "not by memory alone: an operator");
	e->kind = PY_EXPR_NAME;
	e->name = x->name;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(words[i].word, x->name) != 0)
			continue;
		e->kind = words[i].kind;
		e->number = words[i].number;
	}
	return NULL;
}

static struct err *parse_atom(struct expr_parser *x, const struct py_expr **ret)
{
	static const enum py_expr_kind kinds[] = {
		[T_INT] = PY_EXPR_INT,	   [T_FLOAT] = PY_EXPR_FLOAT,	    [T_STR] = PY_EXPR_STR,
		[T_BYTES] = PY_EXPR_BYTES, [T_ELLIPSIS] = PY_EXPR_ELLIPSIS, [T_NAME] = PY_EXPR_NAME,
	};
	struct py_expr *e;
	if (at_mark(x, '(')) {
		struct err *err = expr_next(x);
		return err ? err : parse_tuple(x, ')', ret);
	}
	if (x->token == T_END || x->token == T_MARK)
		return expr_wrong(x, x->start,
				  x->token == T_END ? "the expression ends too early"
						    : "expected a name or a constant");
	struct err *err = make(x, kinds[x->token], &e);
	if (!err && x->token == T_NAME)
		err = parse_word(x, e);
	if (err)
		return err;
	if (x->token != T_NAME) {
		e->number = x->number;
		e->real = x->real;
		e->chars = x->chars;
		e->n = x->n;
	}
	*ret = e;
	return expr_next(x);
}

/* Behind the first expression of a slice, or where it would be. */
static struct err *parse_slice(struct expr_parser *x, const struct py_expr **part)
{
	for (unsigned int i = 1; i < 3 && at_mark(x, ':'); i++) {
		struct err *err = expr_next(x);
		if (!err && !at_mark(x, ':') && !at_mark(x, ']'))
			err = parse(x, &part[i]);
		if (err)
			return err;
	}
	return expect(x, ']');
}

/* Behind a '['. */
static struct err *parse_item(struct expr_parser *x, struct py_expr *e)
{
	const struct py_expr **part = arena_alloc(
		x->arena, 3 * sizeof(struct py_expr *)); /* NOLINT(bugprone-sizeof-expression) */
	const struct py_expr **items;
	struct py_expr *tuple;
	size_t n;
	bool comma;
	if (!part)
		return &err_nomem;
	e->part = part;
	e->kind = PY_EXPR_ITEM;
	if (at_mark(x, ']'))
		return expr_wrong(x, x->start, "expected an index");
	struct err *err = at_mark(x, ':') ? NULL : parse(x, &part[0]);
	if (!err && at_mark(x, ':')) {
		e->kind = PY_EXPR_SLICE;
		return parse_slice(x, part);
	}
	if (err || !at_mark(x, ','))
		return err ? err : expect(x, ']');
	/* d[1, 2] is d[(1, 2)] */
	err = make(x, PY_EXPR_TUPLE, &tuple);
	if (!err)
		err = expr_next(x);
	if (!err)
		err = parse_list(x, ']', &items, &n, &comma);
	if (!err && n == ITEMS_MAX)
		err = expr_wrong(x, x->start, "too many items");
	if (err)
		return err;
	memmove(&items[1], &items[0],
		n * sizeof(struct py_expr *)); /* NOLINT(bugprone-sizeof-expression) */
	items[0] = part[0];
	tuple->part = items;
	tuple->n = n + 1;
	part[0] = tuple;
	return expect(x, ']');
}

/* Behind the '(' of a call: one argument. */
static struct err *parse_call(struct expr_parser *x, const struct py_expr *function,
			      struct py_expr *e)
{
	if (!function || function->kind != PY_EXPR_NAME)
		return expr_wrong(x, x->start, "not by memory alone: a call");
	e->kind = PY_EXPR_CALL;
	e->name = function->name;
	if (at_mark(x, ')'))
		return expr_wrong(x, x->start, "not by memory alone: a call");
	struct err *err = parse(x, &e->of);
	return err ? err : expect(x, ')');
}

/* Behind the '.'. */
static struct err *parse_attr(struct expr_parser *x, struct py_expr *e)
{
	if (x->token != T_NAME)
		return expr_wrong(x, x->start, "expected the name of an attribute");
	e->kind = PY_EXPR_ATTR;
	e->name = x->name;
	return expr_next(x);
}

static struct err *parse_primary(struct expr_parser *x, const struct py_expr **ret)
{
	struct err *err = parse_atom(x, ret);
	unsigned int n = 0;
	while (!err && (at_mark(x, '.') || at_mark(x, '[') || at_mark(x, '('))) {
		struct py_expr *e;
		char mark = x->mark;
		if (++n + x->depth > PY_EXPR_DEPTH_MAX)
			return expr_wrong(x, x->start, "too long a chain");
		err = make(x, PY_EXPR_ATTR, &e);
		if (!err)
			err = expr_next(x);
		if (err)
			return err;
		e->of = *ret;
		err = mark == '.'   ? parse_attr(x, e)
		      : mark == '[' ? parse_item(x, e)
				    : parse_call(x, *ret, e);
		*ret = e;
	}
	return err;
}

/* A sign is part of a number here. */
static struct err *parse_signed(struct expr_parser *x, const struct py_expr **ret)
{
	bool negative = false, any = false;
	while (at_mark(x, '-') || at_mark(x, '+')) {
		negative ^= x->mark == '-';
		any = true;
		struct err *err = expr_next(x);
		if (err)
			return err;
	}
	const char *at = x->start;
	struct py_expr *e;
	const struct py_expr *of = NULL;
	struct err *err = parse_primary(x, &of);
	if (err || !any || !of) {
		*ret = of;
		return err;
	}
	if (of->kind != PY_EXPR_INT && of->kind != PY_EXPR_FLOAT)
		return expr_wrong(x, at, "not by memory alone: a sign, but before a number");
	err = make(x, of->kind, &e);
	if (err)
		return err;
	e->number = negative ? -of->number : of->number;
	e->real = negative ? -of->real : of->real;
	*ret = e;
	return NULL;
}

static struct err *parse(struct expr_parser *x, const struct py_expr **ret)
{
	if (x->depth >= PY_EXPR_DEPTH_MAX)
		return expr_wrong(x, x->start, "too deep");
	x->depth++;
	struct err *err = parse_signed(x, ret);
	x->depth--;
	return err;
}

struct err *py_expr_parse(const char *text, struct arena *a, const struct py_expr **ret)
{
	struct expr_parser x = { .text = text, .p = text, .arena = a };
	if (strlen(text) > PY_EXPR_BYTES_MAX)
		return err_new(ERR_BAD_DATA, "an expression of more than %u bytes",
			       PY_EXPR_BYTES_MAX);
	struct err *err = expr_next(&x);
	if (!err)
		err = parse(&x, ret);
	if (err || x.token == T_END)
		return err;
	bool more = (x.token == T_NAME && is_operator(x.name)) ||
		    (x.token == T_MARK && strchr("-+", x.mark));
	return expr_wrong(&x, x.start,
			  more ? "not by memory alone: an operator" : "expected the end");
}
