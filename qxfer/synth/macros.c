/* SPDX-License-Identifier: MIT */
/*
 * .debug_macinfo, DWARF 4 section 6.3: what a variable's name stands for in gdb's expressions.
 *
 * Python's variables have no type, C's have one.  But where C's "a ? b : c" has values of
 * two types gdb gives the one that is chosen, as it is; and a compiled expression
 * leaves the choice to where it is evaluated.  So a name becomes, by what its slot
 * holds, the number or the text.  lldb, which has a compiler's idea of types, does not
 * read this section.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "qxfer/synth/dwarf_names.h"
#include "qxfer/synth/priv.h"

#define CHOOSE "__archerfish"

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* What a user needs to write C, and what is in the macros themselves. */
static bool is_keyword(const char *name)
{
	/* In the order of strcmp(). */
	static const char *const words[] = {
		"auto",	    "bool",    "break",	   "case",     "char",	   "const",
		"continue", "default", "do",	   "double",   "else",	   "enum",
		"extern",   "float",   "for",	   "goto",     "if",	   "inline",
		"int",	    "long",    "register", "restrict", "return",   "short",
		"signed",   "sizeof",  "static",   "struct",   "switch",   "typedef",
		"typeof",   "union",   "unsigned", "void",     "volatile", "while",
	};
	return bsearch(&name, words, sizeof(words) / sizeof(words[0]), sizeof(words[0]),
		       compare_texts) != NULL;
}

static bool is_identifier(const char *name)
{
	for (const char *c = name; *c; c++)
		if (*c != '_' && !(*c > 0 && isalpha(*c)) && !(c > name && *c > 0 && isdigit(*c)))
			return false;
	return *name != '\0';
}

/* Not those that C has as well: they stay C's. */
static bool is_for_macro(const struct synth_options *options, const char *name)
{
	return is_identifier(name) && !is_keyword(name) &&
	       strncmp(name, CHOOSE, strlen(CHOOSE)) != 0 &&
	       !(options && options->is_taken && options->is_taken(options->ctx, name));
}

#define PART(part) "((struct " VALUE_TYPE " *)&x)->" part

/*
 * What all others use; an argument that is being expanded already stays what it is.
 * A compiled choice has the type of its first value: the number's, so that "<" has a sign.
 */
static const char choose[] = CHOOSE "(x) (" PART(VALUE_KIND) "==1?" PART(VALUE_INT) ":" PART(
	VALUE_KIND) "==2?" PART(VALUE_BOOL) ":" PART(VALUE_KIND) "==3?" PART(VALUE_NONE) ":x)";
_Static_assert(SYNTH_NUMBER == 1 && SYNTH_TRUTH == 2 && SYNTH_NONE == 3, "as above");

static void open_macro(struct buf *out)
{
	put_u8(out, DW_MACINFO_define);
	put_uleb(out, 1); /* the line from which on it is defined */
}

static void put_macro(struct buf *out, const char *name)
{
	open_macro(out);
	buf_puts(out, name);
	buf_puts(out, " " CHOOSE "(");
	buf_puts(out, name);
	put_text(out, ")");
}

/* gdb compares numbers with numbers only where it compiles. */
static void put_constants(struct buf *out)
{
	open_macro(out);
	buf_printf(out, "None (%lld)", (long long)SYNTH_NONE_NUMBER);
	put_u8(out, 0);
	open_macro(out);
	put_text(out, "True 1");
	open_macro(out);
	put_text(out, "False 0");
}

static size_t count_variables(struct function *const *f, size_t n)
{
	size_t all = 0;
	for (size_t i = 0; i < n; i++)
		all += f[i]->pub.code.nvariables;
	return all;
}

bool dwarf_put_macros(struct buf *out, const struct synth_options *options,
		      struct function *const *f, size_t n)
{
	const char **names = reallocarray(NULL, count_variables(f, n) + 1, sizeof(*names));
	size_t all = 0;

	if (!names)
		return false;
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < f[i]->pub.code.nvariables; k++)
			names[all++] = f[i]->pub.code.variables[k].name;
	qsort(names, all, sizeof(*names), compare_texts);
	put_u8(out, DW_MACINFO_start_file);
	put_uleb(out, 0);
	put_uleb(out, 1);
	open_macro(out);
	put_text(out, choose);
	put_constants(out);
	for (size_t i = 0; i < all; i++)
		if ((!i || strcmp(names[i], names[i - 1]) != 0) && is_for_macro(options, names[i]))
			put_macro(out, names[i]);
	put_u8(out, DW_MACINFO_end_file);
	put_u8(out, 0);
	free(names);
	return !out->failed;
}

static bool is_number(const char *repr)
{
	const char *digits = repr + (*repr == '-');
	size_t n = strlen(digits);
	/* What does not fit comes back as the nearest that does. */
	return n && n <= 19 && strspn(digits, "0123456789") == n;
}

void synth_slot_parse(const char *repr, struct synth_slot *ret)
{
	static const struct {
		const char *repr;
		enum synth_value kind;
		int64_t number;
	} words[] = { { "False", SYNTH_TRUTH, 0 },
		      { "True", SYNTH_TRUTH, 1 },
		      { "None", SYNTH_NONE, SYNTH_NONE_NUMBER } };

	ret->kind = SYNTH_TEXT;
	ret->number = 0;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(repr, words[i].repr) != 0)
			continue;
		ret->kind = words[i].kind;
		ret->number = words[i].number;
	}
	if (!is_number(repr))
		return;
	long long value = strtoll(repr, NULL, 10);
	/* Of 19 digits some are too many: those stay texts, and so does the greatest. */
	if (value == INT64_MAX || value == INT64_MIN)
		return;
	ret->kind = SYNTH_NUMBER;
	ret->number = value;
}
