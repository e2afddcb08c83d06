/* SPDX-License-Identifier: MIT */
#include "qxfer/v8/layout.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stub/base/image.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define ROWS	  4u
#define NAMES_MAX 3u
#define PREFIX	  "v8dbg_"
#define FUNCTIONS 16 /* instance types of functions, where V8 does not say how many */

static const char *const versions[ROWS] = { "10.2", "11.3", "12.4", "13.6" };

/*
 * A value in each version, and what V8 calls it.  Those without a name are from
 * src/objects/{script,code,bytecode-array,scope-info}.tq and code.h of each version.
 */
static const struct value {
	int16_t row[ROWS];
	const char *name[NAMES_MAX];
} values[V8_VALUES] = {
	/* clang-format off */
	[V8_T_FUNCTION]		  = { { 2065, 2066, 2066, 2065 }, { "FirstJSFunctionType", "type_JSFunction__JS_FUNCTION_TYPE" } },
	[V8_T_FUNCTION_LAST]	  = { { 2081, 2082, 2082, 2081 }, { "LastJSFunctionType" } },
	[V8_T_SHARED]		  = { { 257, 262, 274, 282 }, { "type_SharedFunctionInfo__SHARED_FUNCTION_INFO_TYPE" } },
	[V8_T_SCRIPT]		  = { { 170, 167, 167, 167 }, { "type_Script__SCRIPT_TYPE" } },
	[V8_T_SCOPE_INFO]	  = { { 256, 261, 272, 280 }, { "type_ScopeInfo__SCOPE_INFO_TYPE" } },
	[V8_T_BYTECODES]	  = { { 195, 191, 205, 186 }, { "type_BytecodeArray__BYTECODE_ARRAY_TYPE" } },
	[V8_T_CODE]		  = { { 240, 245, 206, 187 }, { "type_Code__CODE_TYPE" } },
	[V8_T_FIXED_ARRAY]	  = { { 179, 175, 174, 205 }, { "type_FixedArray__FIXED_ARRAY_TYPE" } },
	[V8_T_NONSTRING]	  = { { 128, 128, 128, 128 }, { "FirstNonstringType" } },
	[V8_FUNCTION_SHARED]	  = { { 24, 24, 32, 32 }, { "class_JSFunction__shared__SharedFunctionInfo" } },
	[V8_SHARED_DATA]	  = { { 8, 8, 8, 8 }, { NULL } },
	[V8_SHARED_NAME]	  = { { 16, 16, 16, 24 },
		{ "class_SharedFunctionInfo__name_or_scope_info__Object",
		  "class_SharedFunctionInfo__name_or_scope_info__Tagged_Object_",
		  "class_SharedFunctionInfo__name_or_scope_info__Tagged_NameOrScopeInfoT_" } },
	[V8_SHARED_SCRIPT]	  = { { 32, 32, 32, 40 },
		{ "class_SharedFunctionInfo__script_or_debug_info__HeapObject",
		  "class_SharedFunctionInfo__script__Tagged_HeapObject_" } },
	[V8_SHARED_FLAGS]	  = { { 48, 48, 48, 56 }, { "class_SharedFunctionInfo__flags__int" } },
	[V8_KIND_MEMBERS]	  = { { -1, -1, 24, 24 }, { NULL } },
	[V8_KIND_STATIC]	  = { { -1, -1, 25, 25 }, { NULL } },
	[V8_SCRIPT_SOURCE]	  = { { 8, 8, 8, 8 }, { "class_Script__source__Object" } },
	[V8_SCRIPT_NAME]	  = { { 16, 16, 16, 16 }, { "class_Script__name__Object" } },
	[V8_SCRIPT_LINE_OFFSET]	  = { { 24, 24, 24, 24 }, { "class_Script__line_offset__SMI" } },
	[V8_SCRIPT_COLUMN_OFFSET] = { { 32, 32, 32, 32 }, { "class_Script__column_offset__SMI" } },
	[V8_SCRIPT_LINE_ENDS]	  = { { 56, 56, 56, 56 }, { "class_Script__line_ends__Object" } },
	[V8_SCRIPT_FLAGS]	  = { { 96, 104, 104, 104 }, { NULL } },
	[V8_SCRIPT_SOURCE_URL]	  = { { 104, 112, 112, 112 }, { "class_Script__source_url__Object" } },
	[V8_BYTECODES_POSITIONS]  = { { 32, 32, 24, 24 }, { NULL } },
	[V8_BYTECODES_DATA]	  = { { 56, 54, 64, 64 }, { "class_BytecodeArray__data__uintptr_t" } },
	[V8_SCOPE_FIRST]	  = { { 3, 3, 3, 5 }, { "scopeinfo_idx_first_vars" } },
	[V8_SCOPE_MODULE]	  = { { 3, 3, 3, 5 }, { NULL } },
	[V8_SCOPE_COUNTS]	  = { { 0, 0, 1, 1 }, { NULL } },
	[V8_CODE_DEOPT]		  = { { 16, 16, 8, 8 }, { "class_Code__deoptimization_data__FixedArray" } },
	[V8_CODE_POSITIONS]	  = { { 24, 24, 16, 16 }, { "class_Code__source_position_table__ByteArray" } },
	[V8_CODE_START]		  = { { 128, 40, 40, 40 }, { "class_Code__instruction_start__Address" } },
	[V8_CODE_FLAGS]		  = { { 48, 48, 48, 52 }, { "class_Code__flags__uint32_t" } },
	[V8_CODE_SIZE]		  = { { 40, 56, 52, 56 }, { "class_Code__instruction_size__int" } },
	[V8_KIND_INTERPRETED]	  = { { 10, 10, 9, 9 }, { "CodeKindInterpretedFunction" } },
	[V8_KIND_BASELINE]	  = { { 11, 11, 10, 10 }, { "CodeKindBaseline" } },
	[V8_DEOPT_TRANSLATIONS]	  = { { 0, 0, 0, 0 }, { NULL } },
	[V8_DEOPT_LITERALS]	  = { { 2, 2, 2, 3 }, { "DeoptimizationDataLiteralArrayIndex" } },
	[V8_DEOPT_SHARED]	  = { { 6, 6, 6, 7 },
		{ "DeoptimizationDataSharedFunctionInfoIndex", "DeoptimizationDataWrappedSharedFunctionInfoIndex" } },
	[V8_DEOPT_INLINING]	  = { { 7, 7, 7, 8 }, { "DeoptimizationDataInliningPositionsIndex" } },
	[V8_DEOPT_ENTRIES]	  = { { 11, 11, 11, 12 }, { NULL } },
	[V8_SAFEPOINT_HEADER]	  = { { 8, 8, 8, 12 }, { NULL } },
	[V8_FRAME_BUILTIN_EXIT]	  = { { 22, 25, 26, 27 }, { "frametype_BuiltinExitFrame" } },
	/* clang-format on */
};

bool v8_layout_row(size_t i, struct v8_layout *ret)
{
	if (i >= ROWS)
		return false;
	*ret = (struct v8_layout){ .verified = true, .row = (unsigned int)i };
	snprintf(ret->version, sizeof(ret->version), "%s", versions[i]);
	for (size_t v = 0; v < V8_VALUES; v++)
		ret->value[v] = values[v].row[i];
	return true;
}

/* ---- what V8 says of itself ---- */

/* A v8dbg_ constant, an int of the image; false: it has none. */
static bool find_constant(struct image *img, const char *name, int32_t *ret)
{
	char symbol[128];
	struct image_symbol found;

	if (!name || snprintf(symbol, sizeof(symbol), PREFIX "%s", name) >= (int)sizeof(symbol) ||
	    !image_find_dynamic(img, symbol, &found))
		return false;
	return mem_read_some(img->mem, found.addr, ret, sizeof(*ret)) == sizeof(*ret);
}

struct said {
	bool known[V8_VALUES];
	int16_t value[V8_VALUES];
};

static size_t ask(struct image *img, struct said *ret)
{
	size_t n = 0;
	for (size_t v = 0; v < V8_VALUES; v++) {
		int32_t value;
		for (size_t k = 0; k < NAMES_MAX && !ret->known[v]; k++) {
			if (!find_constant(img, values[v].name[k], &value) || value < 0 ||
			    value > INT16_MAX)
				continue;
			ret->known[v] = true;
			ret->value[v] = (int16_t)value;
			n++;
		}
	}
	return n;
}

/* In how much a row differs from what V8 says. */
static size_t differences(const struct v8_layout *row, const struct said *said)
{
	size_t n = 0;
	for (size_t v = 0; v < V8_VALUES; v++)
		n += said->known[v] && said->value[v] != row->value[v];
	return n;
}

/* The row that is most like it, with what is said in place of what differs. */
static void choose(const struct said *said, struct v8_layout *ret)
{
	struct v8_layout row;
	size_t best = SIZE_MAX;

	for (size_t i = 0; v8_layout_row(i, &row); i++) {
		size_t n = differences(&row, said);
		if (n >= best)
			continue;
		best = n;
		*ret = row;
	}
	ret->verified = best == 0;
	for (size_t v = 0; v < V8_VALUES; v++)
		if (said->known[v])
			ret->value[v] = said->value[v];
	if (!said->known[V8_T_FUNCTION_LAST])
		ret->value[V8_T_FUNCTION_LAST] = (int16_t)(ret->value[V8_T_FUNCTION] + FUNCTIONS);
}

/* Without these nothing can be told from its V8's. */
static bool is_enough(const struct said *said)
{
	static const uint8_t needed[] = { V8_T_FUNCTION,      V8_T_SHARED,    V8_T_SCRIPT,
					  V8_FUNCTION_SHARED, V8_SHARED_NAME, V8_BYTECODES_DATA };
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
		if (!said->known[needed[i]])
			return false;
	return true;
}

struct err *v8_layout_find(const struct space *s, struct v8_layout *ret)
{
	for (size_t i = 0; i < s->maps->n; i++) {
		const struct map *m = &s->maps->map[i];
		struct image img;
		int32_t any;
		if (!m->inode || m->offset || !(m->prot & MAP_R))
			continue;
		struct err *err = image_open(s->mem, m->start, &img);
		if (err) {
			if (err->code == ERR_NOMEM)
				return err;
			err_drop(err);
			continue;
		}
		struct said said = { .known = { false } };
		bool found = find_constant(&img, "class_Map__instance_type__uint16_t", &any) &&
			     ask(&img, &said) && is_enough(&said);
		image_deinit(&img);
		if (found) {
			choose(&said, ret);
			return NULL;
		}
	}
	return err_new(ERR_NOT_FOUND, "no V8 in this process");
}
