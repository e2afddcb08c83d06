/* SPDX-License-Identifier: MIT */
#include "qxfer/python/foreign.h"

/*
 * Symbols that only another implementation exports.  PyPy also has most of CPython's
 * API, under names of its own; Python 2 has CPython's, but no str of this kind.
 */
static const struct {
	const char *symbol, *what;
} foreign[] = {
	{ "pypy_execute_source", "this is PyPy, not CPython: its stacks are not served" },
	{ "PyString_Type", "this is Python 2, which is not served; CPython 3.6 to 3.15 are" },
};

const char *py_foreign_find(struct image *img)
{
	struct image_symbol sym;
	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
		if (image_find_dynamic(img, foreign[i].symbol, &sym))
			return foreign[i].what;
	return NULL;
}
