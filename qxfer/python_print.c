/* SPDX-License-Identifier: MIT */
/* `monitor py-print': libpython.py's words for names, the expression itself for the rest. */
#include <stdlib.h>
#include <string.h>

#include "qxfer/python/eval.h"
#include "qxfer/python_text.h"

/* One value may be long. */
static const struct py_limits limits = {
	.depth = 20, .items = 1000, .chars = 20000, .bytes = 100000, .reads = 3000000
};

static size_t trimmed(const char *text)
{
	size_t len = strlen(text);
	while (len && strchr(" \t\n", text[len - 1]))
		len--;
	return len;
}

static struct err *print(const struct python_view *view, const struct py_frame *f, const char *text,
			 struct buf *out)
{
	_cleanup_buf_ struct buf value = { 0 };
	struct arena arena = { 0 };
	struct py_values values = { 0 };
	const struct py_expr *e;
	const char *scope;
	struct err *err = py_expr_parse(text, &arena, &e);
	if (!err)
		err = python_values(view->py, view->space, &limits, &values);
	if (!err)
		err = py_eval_put(&values, f, e, &value, &scope);
	if (!err) {
		if (scope)
			buf_printf(out, "%s '", scope);
		buf_put(out, text, trimmed(text));
		buf_puts(out, scope ? "' = " : " = ");
		buf_put(out, value.data, value.len);
		buf_puts(out, "\n");
		out->failed |= value.failed;
	}
	py_values_end(&values);
	arena_deinit(&arena);
	return err;
}

/* "-f N" before the expression; *args is then behind it. */
static struct err *parse_option(const char **args, size_t *frame)
{
	char *end;
	if (strncmp(*args, "-f", 2) != 0 || !strchr(" \t", (*args)[2]) || !(*args)[2])
		return NULL;
	const char *number = *args + 2 + strspn(*args + 2, " \t");
	unsigned long n = strtoul(number, &end, 10);
	if (end == number || !strchr(" \t", *end) || strchr("+-", *number))
		return err_new(ERR_BAD_DATA, "-f takes the number of a frame");
	*frame = n;
	*args = end + strspn(end, " \t");
	return NULL;
}

struct err *python_print_text(const struct python_view *view, const char *args, struct buf *out)
{
	const struct py_snapshot *snap;
	const struct py_frame *f;
	size_t n = view->frame;
	struct err *err = parse_option(&args, &n);
	if (!err && !*args)
		err = err_new(ERR_BAD_DATA, "py-print takes a name or an expression");
	if (!err)
		err = pytext_walk_to(view, n, &snap, &f);
	return err ? err : print(view, f, args, out);
}
