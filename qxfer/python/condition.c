/* SPDX-License-Identifier: MIT */
/*
 * The Python Language Reference, "Comparisons" and "Boolean operations".  Operators are
 * looked for in the text, outside brackets and quotes, the loosest first; what is
 * between them is py_expr_parse()'s.
 */
#include "qxfer/python/condition.h"

#include <string.h>

#include "qxfer/python/eval_priv.h"

#define DEPTH_MAX 50u

struct parser {
	struct arena *arena;
	unsigned int depth;
};

struct span {
	const char *p, *end;
};

static struct span trim(struct span s)
{
	while (s.p < s.end && strchr(" \t", *s.p))
		s.p++;
	while (s.p < s.end && strchr(" \t", s.end[-1]))
		s.end--;
	return s;
}

/* Behind the quote that closes what @p opens; @end if none does. */
static const char *skip_quoted(const char *p, const char *end)
{
	char quote = *p++;
	while (p < end && *p != quote)
		p += *p == '\\' && p + 1 < end ? 2 : 1;
	return p < end ? p + 1 : end;
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || (unsigned char)c >= 0x80;
}

/* An operator; a word must stand apart from others. */
struct sign {
	const char *text;
	enum py_relation relation;
};

static size_t match(const struct sign *op, struct span whole, const char *p)
{
	size_t n = strlen(op->text);
	if ((size_t)(whole.end - p) < n || memcmp(p, op->text, n) != 0)
		return 0;
	if (!is_word(*op->text))
		return n;
	bool apart = (p == whole.p || !is_word(p[-1])) && (p + n == whole.end || !is_word(p[n]));
	return apart ? n : 0;
}

/* The first of the operators outside brackets; NULL: none is there. */
static const struct sign *find(struct span s, const struct sign *ops, size_t nops, const char **at)
{
	int nesting = 0;
	for (const char *p = s.p; p < s.end;) {
		if (*p == '\'' || *p == '"') {
			p = skip_quoted(p, s.end);
			continue;
		}
		nesting += strchr("([{", *p) ? 1 : strchr(")]}", *p) ? -1 : 0;
		for (size_t i = 0; i < nops && !nesting; i++) {
			if (!match(&ops[i], s, p))
				continue;
			*at = p;
			return &ops[i];
		}
		p++;
	}
	return NULL;
}

static struct err *parse(struct parser *x, struct span s, const struct py_condition **ret);

static struct err *make(struct parser *x, enum py_relation relation, struct py_condition **ret)
{
	*ret = arena_alloc(x->arena, sizeof(**ret));
	if (!*ret)
		return &err_nomem;
	(*ret)->relation = relation;
	return NULL;
}

static struct err *parse_operand(struct parser *x, struct span s, const struct py_expr **ret)
{
	s = trim(s);
	if (s.p == s.end)
		return err_new(ERR_BAD_DATA, "something is missing beside an operator");
	char *text = arena_strdup(x->arena, s.p, (size_t)(s.end - s.p));
	return text ? py_expr_parse(text, x->arena, ret) : &err_nomem;
}

/* Whether the whole is in one pair of parentheses, with no comma to make it a tuple. */
static bool is_enclosed(struct span s)
{
	static const struct sign comma[] = { { ",", PY_TRUTH } };
	struct span inner = { s.p + 1, s.end - 1 };
	const char *at;
	int nesting = 0;

	if (s.end - s.p < 2 || *s.p != '(' || s.end[-1] != ')')
		return false;
	for (const char *p = s.p; p < s.end;) {
		if (*p == '\'' || *p == '"') {
			p = skip_quoted(p, s.end);
			continue;
		}
		nesting += strchr("([{", *p) ? 1 : strchr(")]}", *p) ? -1 : 0;
		if (!nesting && p + 1 < s.end)
			return false;
		p++;
	}
	return !find(inner, comma, 1, &at) && trim(inner).p < trim(inner).end;
}

static struct err *parse_comparison(struct parser *x, struct span s,
				    const struct py_condition **ret)
{
	static const struct sign ops[] = {
		{ "==", PY_EQ },	 { "!=", PY_NE }, { "<=", PY_LE }, { ">=", PY_GE },
		{ "<", PY_LT },		 { ">", PY_GT },  { "in", PY_IN }, { "not in", PY_NOT_IN },
		{ "is not", PY_IS_NOT }, { "is", PY_IS },
	};
	const size_t nops = sizeof(ops) / sizeof(ops[0]);
	struct py_condition *c;
	const char *at;
	const struct sign *op = find(s, ops, nops, &at);

	if (!op && is_enclosed(s))
		return parse(x, (struct span){ s.p + 1, s.end - 1 }, ret);
	struct err *err = make(x, op ? op->relation : PY_TRUTH, &c);
	if (err)
		return err;
	*ret = c;
	if (!op)
		return parse_operand(x, s, &c->left);
	struct span right = { at + strlen(op->text), s.end };
	if (find(right, ops, nops, &at))
		return err_new(ERR_BAD_DATA, "one comparison at a time: join them by `and'");
	err = parse_operand(x, (struct span){ s.p, right.p - strlen(op->text) }, &c->left);
	return err ? err : parse_operand(x, right, &c->right);
}

static struct err *parse_not(struct parser *x, struct span s, const struct py_condition **ret)
{
	static const struct sign word = { "not", PY_NOT };
	struct py_condition *c;
	s = trim(s);
	size_t n = s.p < s.end ? match(&word, s, s.p) : 0;
	if (!n)
		return parse_comparison(x, s, ret);
	struct err *err = make(x, PY_NOT, &c);
	if (err)
		return err;
	*ret = c;
	if (++x->depth > DEPTH_MAX)
		return err_new(ERR_BAD_DATA, "nested too deeply");
	return parse_not(x, (struct span){ s.p + n, s.end }, &c->part[0]);
}

/* Operators that bind to the left may be taken apart at the first as well: all are tried. */
static struct err *parse(struct parser *x, struct span s, const struct py_condition **ret)
{
	static const struct sign levels[] = { { "or", PY_OR }, { "and", PY_AND } };
	struct py_condition *c;
	const char *at;

	if (++x->depth > DEPTH_MAX)
		return err_new(ERR_BAD_DATA, "nested too deeply");
	for (size_t i = 0; i < 2; i++) {
		if (!find(s, &levels[i], 1, &at))
			continue;
		struct err *err = make(x, levels[i].relation, &c);
		if (err)
			return err;
		*ret = c;
		err = parse(x, (struct span){ s.p, at }, &c->part[0]);
		return err ? err
			   : parse(x, (struct span){ at + strlen(levels[i].text), s.end },
				   &c->part[1]);
	}
	return parse_not(x, s, ret);
}

struct err *py_condition_parse(const char *text, struct arena *a, const struct py_condition **ret)
{
	struct parser x = { .arena = a };
	return parse(&x, (struct span){ text, text + strlen(text) }, ret);
}

/* ---- values ---- */

static bool is_number(const struct eval *x)
{
	return x->kind == EVAL_INT || x->kind == EVAL_BOOL || x->kind == EVAL_FLOAT;
}

static double real_of(const struct eval *x)
{
	return x->kind == EVAL_FLOAT ? x->real : (double)x->number;
}

bool py_relation_holds(enum py_relation relation, int64_t a, int64_t b)
{
	switch (relation) {
	case PY_EQ:
		return a == b;
	case PY_NE:
		return a != b;
	case PY_LT:
		return a < b;
	case PY_LE:
		return a <= b;
	case PY_GT:
		return a > b;
	default:
		return a >= b;
	}
}

/* Of two floats nothing holds but != if one is no number. */
static bool reals_hold(enum py_relation relation, double a, double b)
{
	if (a != a || b != b)
		return relation == PY_NE;
	return py_relation_holds(relation, (a > b) - (a < b), 0);
}

static int compare_chars(const struct eval *a, const struct eval *b)
{
	for (size_t i = 0; i < a->n && i < b->n; i++)
		if (a->chars[i] != b->chars[i])
			return a->chars[i] < b->chars[i] ? -1 : 1;
	return a->n < b->n ? -1 : a->n > b->n;
}

static struct err *no_code(struct evaluator *e, const struct eval *a, const struct eval *b)
{
	return err_new(ERR_BAD_DATA, "not by memory alone: '%.40s' compared with '%.40s'",
		       eval_type_name(e, a), eval_type_name(e, b));
}

static struct err *equal(struct evaluator *e, const struct eval *a, const struct eval *b, bool *ret)
{
	bool known = true;
	*ret = a->kind == EVAL_NONE && b->kind == EVAL_NONE;
	if (*ret || (a->kind != EVAL_OBJECT && b->kind != EVAL_OBJECT && a->kind < EVAL_TUPLE &&
		     b->kind < EVAL_TUPLE))
		return NULL; /* of two kinds of CPython's own */
	const struct eval *constant = a->kind == EVAL_OBJECT ? b : a;
	const struct eval *object = a->kind == EVAL_OBJECT ? a : b;
	if (object->kind != EVAL_OBJECT)
		return no_code(e, a, b);
	struct err *err = eval_equal(e, constant, object->addr, ret, &known);
	return err || known ? err : no_code(e, a, b);
}

static struct err *compare(struct evaluator *e, enum py_relation relation, const struct eval *left,
			   const struct eval *right, bool *ret)
{
	struct eval a, b;
	struct err *err = eval_key(e, left, &a);
	if (!err)
		err = eval_key(e, right, &b);
	if (err)
		return err;
	if (is_number(&a) && is_number(&b)) {
		*ret = a.kind == EVAL_FLOAT || b.kind == EVAL_FLOAT
			       ? reals_hold(relation, real_of(&a), real_of(&b))
			       : py_relation_holds(relation, a.number, b.number);
		return NULL;
	}
	if ((a.kind == EVAL_STR || a.kind == EVAL_BYTES) && a.kind == b.kind) {
		*ret = py_relation_holds(relation, compare_chars(&a, &b), 0);
		return NULL;
	}
	if (relation != PY_EQ && relation != PY_NE)
		return no_code(e, &a, &b);
	err = equal(e, &a, &b, ret);
	*ret ^= relation == PY_NE;
	return err;
}

/* Identity is known of objects, and of the constants that are one object each. */
static struct err *is_same(struct evaluator *e, const struct eval *a, const struct eval *b,
			   bool *ret)
{
	const struct eval *x = a->kind == EVAL_OBJECT ? a : b, *other = x == a ? b : a;
	int64_t number = 0;

	*ret = false;
	if (a->kind == EVAL_OBJECT && b->kind == EVAL_OBJECT)
		*ret = a->addr == b->addr;
	else if (other->kind == EVAL_NONE)
		*ret = x->kind == EVAL_NONE ||
		       (x->kind == EVAL_OBJECT && val_is(e->v, x->addr, "NoneType"));
	else if (other->kind == EVAL_BOOL)
		*ret = x->kind == EVAL_OBJECT && val_is(e->v, x->addr, "bool") &&
		       eval_int(e, x, &number) && number == other->number;
	else
		return err_new(ERR_BAD_DATA, "`is' is for objects, None, True and False");
	return NULL;
}

static struct err *is_in(struct evaluator *e, const struct eval *a, const struct eval *b, bool *ret)
{
	struct err *err = NULL;
	*ret = false;
	if (b->kind != EVAL_TUPLE && b->kind != EVAL_LIST)
		return err_new(ERR_BAD_DATA, "`in' is for tuples written out");
	for (size_t i = 0; i < b->n && !err && !*ret; i++)
		err = compare(e, PY_EQ, a, &b->items[i], ret);
	return err;
}

static struct err *truth(struct evaluator *e, const struct eval *value, bool *ret)
{
	struct eval x, len;
	struct err *err = eval_key(e, value, &x);
	if (err)
		return err;
	*ret = true;
	if (is_number(&x)) {
		*ret = real_of(&x) != 0;
	} else if (x.kind == EVAL_NONE) {
		*ret = false;
	} else if (x.kind != EVAL_ELLIPSIS) {
		err = eval_len(e, &x, &len);
		*ret = !err && len.number;
	}
	return err;
}

static struct err *holds(struct evaluator *e, const struct py_condition *c, bool *ret);

static struct err *combine(struct evaluator *e, const struct py_condition *c, bool *ret)
{
	struct err *err = holds(e, c->part[0], ret);
	if (err)
		return err;
	if (c->relation == PY_NOT)
		*ret = !*ret;
	else if (*ret == (c->relation == PY_AND))
		return holds(e, c->part[1], ret);
	return NULL;
}

static struct err *holds(struct evaluator *e, const struct py_condition *c, bool *ret)
{
	struct eval a, b;

	if (c->relation >= PY_NOT)
		return combine(e, c, ret);
	struct err *err = eval_expression(e, c->left, &a);
	if (!err && c->relation == PY_TRUTH)
		return truth(e, &a, ret);
	if (!err)
		err = eval_expression(e, c->right, &b);
	if (err)
		return err;
	if (c->relation == PY_IS || c->relation == PY_IS_NOT)
		err = is_same(e, &a, &b, ret);
	else if (c->relation == PY_IN || c->relation == PY_NOT_IN)
		err = is_in(e, &a, &b, ret);
	else
		return compare(e, c->relation, &a, &b, ret);
	*ret ^= c->relation == PY_IS_NOT || c->relation == PY_NOT_IN;
	return err;
}

struct err *py_condition_holds(struct py_values *v, const struct py_frame *f,
			       const struct py_condition *c, bool *ret)
{
	struct evaluator e = { .v = v, .frame = f, .room = EVAL_ITEMS_MAX };
	*ret = false;
	struct err *err = f->corrupt ? err_new(ERR_BAD_DATA, "%s", f->name) : holds(&e, c, ret);
	arena_deinit(&e.arena);
	buf_deinit(&e.scratch);
	return err;
}

bool py_condition_simple(const struct py_condition *c, struct py_simple_condition *ret)
{
	if (c->relation < PY_EQ || c->relation > PY_GE || c->left->kind != PY_EXPR_NAME ||
	    c->right->kind != PY_EXPR_INT)
		return false;
	*ret = (struct py_simple_condition){ c->left->name, c->relation, c->right->number };
	return true;
}
