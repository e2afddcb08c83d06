/* SPDX-License-Identifier: MIT */
/* The parser of py-print's expressions. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "qxfer/python/expr.h"
#include "stub/base/buf.h"

static struct arena arena;
static struct buf out;

static void teardown(void)
{
	arena_deinit(&arena);
	buf_deinit(&out);
}
TestSuite(python_expr, .fini = teardown);

static void put(const struct py_expr *e);

static void put_parts(const struct py_expr *e, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		buf_puts(&out, " ");
		if (e->part[i])
			put(e->part[i]);
		else
			buf_puts(&out, "-");
	}
	buf_puts(&out, ")");
}

static void put_chars(const struct py_expr *e)
{
	buf_puts(&out, e->kind == PY_EXPR_BYTES ? "b\"" : "\"");
	for (size_t i = 0; i < e->n; i++)
		buf_printf(&out, e->chars[i] < 0x7f && e->chars[i] >= 0x20 ? "%c" : "<%x>",
			   e->chars[i]);
	buf_puts(&out, "\"");
}

/* As a list of Lisp's. */
static void put(const struct py_expr *e)
{
	static const char *const words[] = { [PY_EXPR_NONE] = "None", [PY_EXPR_ELLIPSIS] = "..." };
	switch (e->kind) {
	case PY_EXPR_NAME:
		buf_puts(&out, e->name);
		return;
	case PY_EXPR_NONE:
	case PY_EXPR_ELLIPSIS:
		buf_puts(&out, words[e->kind]);
		return;
	case PY_EXPR_BOOL:
		buf_puts(&out, e->number ? "True" : "False");
		return;
	case PY_EXPR_INT:
		buf_printf(&out, "%lld", (long long)e->number);
		return;
	case PY_EXPR_FLOAT:
		buf_printf(&out, "%g", e->real);
		return;
	case PY_EXPR_STR:
	case PY_EXPR_BYTES:
		put_chars(e);
		return;
	case PY_EXPR_TUPLE:
		buf_puts(&out, "(tuple");
		put_parts(e, e->n);
		return;
	case PY_EXPR_ATTR:
	case PY_EXPR_CALL:
		buf_puts(&out, e->kind == PY_EXPR_ATTR ? "(. " : "(call ");
		put(e->of);
		buf_printf(&out, " %s)", e->name);
		return;
	default:
		buf_puts(&out, e->kind == PY_EXPR_ITEM ? "(item " : "(slice ");
		put(e->of);
		put_parts(e, e->kind == PY_EXPR_ITEM ? 1 : 3);
	}
}

/* The expression as a list, or why it is none. */
static const char *parse(const char *text)
{
	const struct py_expr *e;
	buf_clear(&out);
	arena_reset(&arena);
	struct err *err = py_expr_parse(text, &arena, &e);
	if (err)
		buf_printf(&out, "%s", err->msg);
	else
		put(e);
	err_drop(err);
	buf_put(&out, "", 1);
	return (const char *)out.data;
}

#define expect(text, is) cr_expect_str_eq(parse(text), is, "%s: %s", text, (const char *)out.data)

Test(python_expr, what_is_chained_is_read_from_the_left)
{
	expect("x", "x");
	expect("self.jobs[0]['id'].name", "(. (item (item (. self jobs) 0) \"id\") name)");
	expect(" a . b [ 1 ] ", "(item (. a b) 1)");
	expect("len(x.y)[0]", "(item (call (. x y) len) 0)");
	expect("na\xc3\xafve._x1", "(. na\xc3\xafve _x1)");
	expect("(x).y", "(. x y)");
	expect("None.x", "(. None x)");
}

Test(python_expr, slices_and_tuples_are_told_apart)
{
	expect("a[:]", "(slice a - - -)");
	expect("a[1:]", "(slice a 1 - -)");
	expect("a[::-1]", "(slice a - - -1)");
	expect("a[b:c.d:2]", "(slice a b (. c d) 2)");
	expect("a[1,]", "(item a (tuple 1))");
	expect("a[1, 'x']", "(item a (tuple 1 \"x\"))");
	expect("a[(1, 2)]", "(item a (tuple 1 2))");
	expect("()", "(tuple)");
	expect("(1,)", "(tuple 1)");
	expect("(1)", "1");
	expect("(1, (2, 3))", "(tuple 1 (tuple 2 3))");
}

Test(python_expr, numbers_are_pythons)
{
	expect("0", "0");
	expect("-7", "-7");
	expect("--7", "7");
	expect("+ - 0x1F", "-31");
	expect("0b101", "5");
	expect("0o17", "15");
	expect("1_000", "1000");
	expect("1152921504606846975", "1152921504606846975");
	expect("1152921504606846976", "a number that is too large at column 1");
	expect("1.5", "1.5");
	expect(".5", "0.5");
	expect("1e3", "1000");
	expect("-1E-3", "-0.001");
	expect("1.", "1");
	expect("1e999", "invalid number at column 1");
	expect("1.5.2", "invalid number at column 1");
	expect("12x", "invalid number at column 3");
	expect("0x", "invalid number at column 3");
	expect("1j", "invalid number at column 2");
	expect("1e", "invalid number at column 1");
}

Test(python_expr, strings_are_pythons)
{
	expect("'a'", "\"a\"");
	expect("\"it's\"", "\"it's\"");
	expect("'''a'b'''", "\"a'b\"");
	expect("''", "\"\"");
	expect("'a' \"b\" 'c'", "\"abc\"");
	expect("'\\n\\x41\\101\\u732b\\U0001f40d\\q\\\\'", "\"<a>AA<732b><1f40d>\\q\\\"");
	expect("r'\\n\\'x'", "\"\\n\\'x\"");
	expect("u'\xe7\x8c\xab'", "\"<732b>\"");
	expect("b'\\xff\\n'", "b\"<ff><a>\"");
	expect("b'\\u0041'", "b\"\\u0041\"");
	expect("rb'\\x'", "b\"\\x\"");
	expect("'a", "unterminated string at column 1");
	expect("'a\\", "unterminated string at column 1");
	expect("'''a''", "unterminated string at column 1");
	expect("'\\x4'", "invalid escape at column 2");
	expect("'\\U99999999'", "invalid escape at column 2");
	expect("b'\xc3\xa9'", "bytes can only have ASCII characters at column 3");
	expect("'a' b'c'", "bytes and str side by side at column 5");
	expect("'\xff'", "text that is not UTF-8 at column 2");
	expect("b.x", "(. b x)");
	expect("rb", "rb");
}

Test(python_expr, what_would_have_to_run_is_refused_by_name)
{
	static const char *const operators[] = { "a + 1",     "a-1",	 "a == b", "a if b else c",
						 "not a",     "a and b", "a*b",	   "a<b",
						 "lambda: 1", "a in b",	 "a @ b",  "~a" };
	for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++)
		cr_expect_not_null(strstr(parse(operators[i]), "not by memory alone: an operator"),
				   "%s: %s", operators[i], (const char *)out.data);
	expect("f.x(1)", "not by memory alone: a call at column 5");
	expect("f()", "not by memory alone: a call at column 3");
	expect("-x", "not by memory alone: a sign, but before a number at column 2");
	expect("{1: 2}", "not by memory alone: a display at column 1");
}

Test(python_expr, errors_say_where)
{
	expect("", "the expression ends too early at column 1");
	expect("x.", "expected the name of an attribute at column 3");
	expect("x[", "the expression ends too early at column 3");
	expect("x[]", "expected an index at column 3");
	expect("x[1", "expected ']' at column 4");
	expect("x[1:2:3:4]", "expected ']' at column 8");
	expect("(1 2)", "expected ',' at column 4");
	expect("(,)", "expected a name or a constant at column 2");
	expect("x y", "expected the end at column 3");
	expect("x, y", "expected the end at column 2");
	expect("$x", "an unexpected character at column 1");
	expect("x)", "expected the end at column 2");
	expect("[1]", "expected a name or a constant at column 1");
}

Test(python_expr, depth_and_length_are_bounded)
{
	static char text[PY_EXPR_BYTES_MAX + 2];
	memset(text, '(', PY_EXPR_BYTES_MAX);
	cr_expect_not_null(strstr(parse(text), "too deep at column"));
	for (size_t i = 0; i < PY_EXPR_BYTES_MAX; i += 2)
		memcpy(text + i, "x[", 2);
	cr_expect_not_null(strstr(parse(text), "too long a chain at column"));
	for (size_t i = 0; i < PY_EXPR_BYTES_MAX; i += 2)
		memcpy(text + i, i ? ".x" : "xx", 2);
	cr_expect_not_null(strstr(parse(text), "too long a chain at column"));
	for (size_t i = 0; i < PY_EXPR_BYTES_MAX; i += 2)
		memcpy(text + i, i ? "1," : " (", 2);
	cr_expect_not_null(strstr(parse(text), "too many items at column"));
	memset(text, '-', PY_EXPR_BYTES_MAX);
	cr_expect_not_null(strstr(parse(text), "ends too early"));
	memset(text, 'x', PY_EXPR_BYTES_MAX + 1);
	cr_expect_not_null(strstr(parse(text), "more than 4096 bytes"));
}

/* Pieces of right expressions in any order: it ends, and without reading past the text. */
Test(python_expr, any_text_is_parsed_or_refused)
{
	static const char *const piece[] = { "x",   ".",  "[",	  "]",	  "(",	  ")",	   ":",
					     ",",   "'",  "\"",	  "\\",	  "'a'",  "b'\\x", "1",
					     "0x",  "1.", "e",	  "-",	  "+",	  "r'",	   "'''",
					     " ",   "\t", "\xc3", "\xa9", "None", "len(",  "...",
					     "\\u", "_",  "\x01", "\xff" };
	uint32_t seed = 1;
	size_t good = 0;
	for (unsigned int n = 0; n < 200000; n++) {
		char text[64];
		size_t len = 0;
		for (unsigned int k = n % 12; k; k--) {
			seed = seed * 1664525 + 1013904223;
			const char *p = piece[seed >> 27];
			memcpy(text + len, p, strlen(p));
			len += strlen(p);
		}
		char *exact = strndup(text, len); /* for the sanitizer: not a byte more */
		const struct py_expr *e = NULL;
		arena_reset(&arena);
		struct err *err = py_expr_parse(exact, &arena, &e);
		good += !err;
		if (err) {
			const char *column = strstr(err->msg, " at column ");
			cr_assert_not_null(column, "%s: %s", exact, err->msg);
			cr_assert_leq(strtoul(column + 11, NULL, 10), len + 1, "%s: %s", exact,
				      err->msg);
		}
		err_drop(err);
		free(exact);
	}
	cr_expect_gt(good, 1000);
}
