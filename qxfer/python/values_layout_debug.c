/* SPDX-License-Identifier: MIT */
/*
 * Where _Py_DebugOffsets tells of objects, by minor version; made by
 * tools/python-offsets.py --values --debug.
 */
#include "qxfer/python/values_layout.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* clang-format off */
static const struct py_debug_field debug_313[] = {
	{ offsetof(struct py_layout, type.size), 368, 0, 0 },
	{ offsetof(struct py_layout, type.repr), 384, 0, 0 },
	{ offsetof(struct py_layout, type.flags), 392, 0, 0 },
	{ offsetof(struct py_layout, tuple.items), 408, 0, 0 },
	{ offsetof(struct py_layout, list.items), 432, 0, 0 },
	{ offsetof(struct py_layout, floating.value), 480, 0, 0 },
	{ offsetof(struct py_layout, integer.tag), 496, 0, 0 },
	{ offsetof(struct py_layout, integer.digits), 504, 0, 0 },
	{ offsetof(struct py_layout, dict.size), 448, 0, 0 },
	{ offsetof(struct py_layout, dict.keys), 456, 0, 0 },
	{ offsetof(struct py_layout, dict.values), 464, 0, 0 },
	{ offsetof(struct py_layout, frame.size), 224, 0, 0 },
	{ offsetof(struct py_layout, frame.localsplus), 256, 0, 0 },
	{ offsetof(struct py_layout, code.size), 272, 0, 0 },
	{ offsetof(struct py_layout, code.localsplusnames), 328, 0, 0 },
	{ offsetof(struct py_layout, code.localspluskinds), 336, 0, 0 },
};
static const struct py_debug_field debug_314[] = {
	{ offsetof(struct py_layout, type.size), 416, 0, 0 },
	{ offsetof(struct py_layout, type.repr), 432, 0, 0 },
	{ offsetof(struct py_layout, type.flags), 440, 0, 0 },
	{ offsetof(struct py_layout, tuple.items), 456, 0, 0 },
	{ offsetof(struct py_layout, list.items), 480, 0, 0 },
	{ offsetof(struct py_layout, floating.value), 560, 0, 0 },
	{ offsetof(struct py_layout, integer.tag), 576, 0, 0 },
	{ offsetof(struct py_layout, integer.digits), 584, 0, 0 },
	{ offsetof(struct py_layout, dict.size), 528, 0, 0 },
	{ offsetof(struct py_layout, dict.keys), 536, 0, 0 },
	{ offsetof(struct py_layout, dict.values), 544, 0, 0 },
	{ offsetof(struct py_layout, set.size), 496, 0, 0 },
	{ offsetof(struct py_layout, set.used), 504, 0, 0 },
	{ offsetof(struct py_layout, set.mask), 520, 0, 0 },
	{ offsetof(struct py_layout, set.table), 512, 0, 0 },
	{ offsetof(struct py_layout, generator.size), 664, 0, 0 },
	{ offsetof(struct py_layout, generator.state), 688, 0, 0 },
	{ offsetof(struct py_layout, frame.size), 248, 0, 0 },
	{ offsetof(struct py_layout, frame.localsplus), 280, 0, 0 },
	{ offsetof(struct py_layout, code.size), 312, 0, 0 },
	{ offsetof(struct py_layout, code.localsplusnames), 368, 0, 0 },
	{ offsetof(struct py_layout, code.localspluskinds), 376, 0, 0 },
};
static const struct py_debug_field debug_315[] = {
	{ offsetof(struct py_layout, type.size), 480, 0, 0 },
	{ offsetof(struct py_layout, type.repr), 496, 0, 0 },
	{ offsetof(struct py_layout, type.flags), 504, 0, 0 },
	{ offsetof(struct py_layout, type.basicsize), 512, 0, 0 },
	{ offsetof(struct py_layout, type.dictoffset), 520, 0, 0 },
	{ offsetof(struct py_layout, heap_type.cached_keys), 536, 0, 0 },
	{ offsetof(struct py_layout, tuple.items), 552, 0, 0 },
	{ offsetof(struct py_layout, list.items), 576, 0, 0 },
	{ offsetof(struct py_layout, floating.value), 656, 0, 0 },
	{ offsetof(struct py_layout, integer.tag), 672, 0, 0 },
	{ offsetof(struct py_layout, integer.digits), 680, 0, 0 },
	{ offsetof(struct py_layout, dict.size), 624, 0, 0 },
	{ offsetof(struct py_layout, dict.keys), 632, 0, 0 },
	{ offsetof(struct py_layout, dict.values), 640, 0, 0 },
	{ offsetof(struct py_layout, set.size), 592, 0, 0 },
	{ offsetof(struct py_layout, set.used), 600, 0, 0 },
	{ offsetof(struct py_layout, set.mask), 616, 0, 0 },
	{ offsetof(struct py_layout, set.table), 608, 0, 0 },
	{ offsetof(struct py_layout, generator.size), 792, 0, 0 },
	{ offsetof(struct py_layout, generator.state), 816, 0, 0 },
	{ offsetof(struct py_layout, frame.size), 312, 0, 0 },
	{ offsetof(struct py_layout, frame.localsplus), 344, 0, 0 },
	{ offsetof(struct py_layout, code.size), 376, 0, 0 },
	{ offsetof(struct py_layout, code.localsplusnames), 432, 0, 0 },
	{ offsetof(struct py_layout, code.localspluskinds), 440, 0, 0 },
};

const struct py_debug_layout py_layout_debug[] = {
	{ 0x030d, 584, debug_313, ARRAY_SIZE(debug_313) },
	{ 0x030e, 760, debug_314, ARRAY_SIZE(debug_314) },
	{ 0x030f, 888, debug_315, ARRAY_SIZE(debug_315) },
};
const size_t py_layout_ndebug = ARRAY_SIZE(py_layout_debug);
/* clang-format on */
