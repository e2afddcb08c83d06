/* SPDX-License-Identifier: MIT */
/*
 * One row per CPython version, made by tools/python-offsets.py --locks.
 */
#include "qxfer/python/locks_layout.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* clang-format off */
static const struct py_lock_layout rows[] = {
	{ /* 3.6.15 */
		.version_hex = 0x03060ff0, .build = PY_BUILD_GIL,
		.frame = { .slots = 376, .stack = 64, .nblocks = 128, .blocks = 136,
			.globals = 48 },
		.code = { .names = 56, .variables = 64, .nslots = PY_NONE, .stacksize = 28,
			.exceptions = PY_NONE, .bytes = 40 },
		.generator = { .frame = 16 },
		.descr = { .name = 24 },
		.gil = { .cond = PY_NONE, .switched = PY_NONE },
		.handle = { .ident = PY_NONE, .state = PY_NONE, .exiting = PY_NONE,
			.once = PY_NONE },
	},
	{ /* 3.7.16 */
		.version_hex = 0x030710f0, .build = PY_BUILD_GIL,
		.frame = { .slots = 360, .stack = 64, .nblocks = 112, .blocks = 120,
			.globals = 48 },
		.code = { .names = 56, .variables = 64, .nslots = PY_NONE, .stacksize = 28,
			.exceptions = PY_NONE, .bytes = 40 },
		.generator = { .frame = 16 },
		.descr = { .name = 24 },
		.gil = { .cond = 32, .switched = 120 },
		.handle = { .ident = PY_NONE, .state = PY_NONE, .exiting = PY_NONE,
			.once = PY_NONE },
	},
	{ /* 3.8.18 */
		.version_hex = 0x030812f0, .build = PY_BUILD_GIL,
		.frame = { .slots = 360, .stack = 64, .nblocks = 112, .blocks = 120,
			.globals = 48 },
		.code = { .names = 64, .variables = 72, .nslots = PY_NONE, .stacksize = 32,
			.exceptions = PY_NONE, .bytes = 48 },
		.generator = { .frame = 16 },
		.descr = { .name = 24 },
		.gil = { .cond = 32, .switched = 120 },
		.handle = { .ident = PY_NONE, .state = PY_NONE, .exiting = PY_NONE,
			.once = PY_NONE },
	},
	{ /* 3.9.18 */
		.version_hex = 0x030912f0, .build = PY_BUILD_GIL,
		.frame = { .slots = 360, .stack = 64, .nblocks = 112, .blocks = 120,
			.globals = 48 },
		.code = { .names = 64, .variables = 72, .nslots = PY_NONE, .stacksize = 32,
			.exceptions = PY_NONE, .bytes = 48 },
		.generator = { .frame = 16 },
		.descr = { .name = 24 },
		.gil = { .cond = 32, .switched = 120 },
		.handle = { .ident = PY_NONE, .state = PY_NONE, .exiting = PY_NONE,
			.once = PY_NONE },
	},
	{ /* 3.10.13 */
		.version_hex = 0x030a0df0, .build = PY_BUILD_GIL,
		.frame = { .slots = 352, .stack = 64, .nblocks = 104, .blocks = 112,
			.globals = 48 },
		.code = { .names = 64, .variables = 72, .nslots = PY_NONE, .stacksize = 32,
			.exceptions = PY_NONE, .bytes = 48 },
		.generator = { .frame = 16 },
		.descr = { .name = 24 },
		.gil = { .cond = 32, .switched = 120 },
		.handle = { .ident = PY_NONE, .state = PY_NONE, .exiting = PY_NONE,
			.once = PY_NONE },
	},
	{ /* 3.11.7 */
		.version_hex = 0x030b07f0, .build = PY_BUILD_GIL,
		.frame = { .slots = 72, .stack = PY_NONE, .nblocks = PY_NONE, .blocks = PY_NONE,
			.globals = 8 },
		.code = { .names = 32, .variables = 96, .nslots = 76, .stacksize = 68,
			.exceptions = 40, .bytes = PY_NONE },
		.generator = { .frame = 80 },
		.descr = { .name = 24 },
		.gil = { .cond = 32, .switched = 120 },
		.handle = { .ident = PY_NONE, .state = PY_NONE, .exiting = PY_NONE,
			.once = PY_NONE },
	},
	{ /* 3.12.1 */
		.version_hex = 0x030c01f0, .build = PY_BUILD_GIL,
		.frame = { .slots = 72, .stack = PY_NONE, .nblocks = PY_NONE, .blocks = PY_NONE,
			.globals = 24 },
		.code = { .names = 32, .variables = 96, .nslots = 72, .stacksize = 64,
			.exceptions = 40, .bytes = PY_NONE },
		.generator = { .frame = 72 },
		.descr = { .name = 24 },
		.gil = { .cond = 32, .switched = 120 },
		.handle = { .ident = PY_NONE, .state = PY_NONE, .exiting = PY_NONE,
			.once = PY_NONE },
	},
	{ /* 3.13.5, free-threaded */
		.version_hex = 0x030d05f0, .build = PY_BUILD_FREE_THREADED,
		.frame = { .slots = 72, .stack = PY_NONE, .nblocks = PY_NONE, .blocks = PY_NONE,
			.globals = 24 },
		.code = { .names = 48, .variables = 112, .nslots = 88, .stacksize = 80,
			.exceptions = 56, .bytes = PY_NONE },
		.generator = { .frame = 88 },
		.descr = { .name = 40 },
		.gil = { .cond = 40, .switched = 128 },
		.handle = { .ident = 32, .state = 48, .exiting = 57, .once = 58 },
	},
	{ /* 3.13.18 */
		.version_hex = 0x030d12f0, .build = PY_BUILD_GIL,
		.frame = { .slots = 72, .stack = PY_NONE, .nblocks = PY_NONE, .blocks = PY_NONE,
			.globals = 24 },
		.code = { .names = 32, .variables = 96, .nslots = 72, .stacksize = 64,
			.exceptions = 40, .bytes = PY_NONE },
		.generator = { .frame = 72 },
		.descr = { .name = 24 },
		.gil = { .cond = 32, .switched = 120 },
		.handle = { .ident = 32, .state = 48, .exiting = 57, .once = 58 },
	},
	{ /* 3.14.10, free-threaded */
		.version_hex = 0x030e0af0, .build = PY_BUILD_FREE_THREADED,
		.frame = { .slots = 80, .stack = PY_NONE, .nblocks = PY_NONE, .blocks = PY_NONE,
			.globals = 24 },
		.code = { .names = 48, .variables = 112, .nslots = 88, .stacksize = 80,
			.exceptions = 56, .bytes = PY_NONE },
		.generator = { .frame = 88 },
		.descr = { .name = 40 },
		.gil = { .cond = 40, .switched = 128 },
		.handle = { .ident = 32, .state = 48, .exiting = 57, .once = 58 },
	},
	{ /* 3.14.10 */
		.version_hex = 0x030e0af0, .build = PY_BUILD_GIL,
		.frame = { .slots = 80, .stack = PY_NONE, .nblocks = PY_NONE, .blocks = PY_NONE,
			.globals = 24 },
		.code = { .names = 32, .variables = 96, .nslots = 72, .stacksize = 64,
			.exceptions = 40, .bytes = PY_NONE },
		.generator = { .frame = 72 },
		.descr = { .name = 24 },
		.gil = { .cond = 32, .switched = 120 },
		.handle = { .ident = 32, .state = 48, .exiting = 57, .once = 58 },
	},
	{ /* 3.15.2, free-threaded */
		.version_hex = 0x030f02f0, .build = PY_BUILD_FREE_THREADED,
		.frame = { .slots = 80, .stack = PY_NONE, .nblocks = PY_NONE, .blocks = PY_NONE,
			.globals = 24 },
		.code = { .names = 48, .variables = 112, .nslots = 88, .stacksize = 80,
			.exceptions = 56, .bytes = PY_NONE },
		.generator = { .frame = 88 },
		.descr = { .name = 40 },
		.gil = { .cond = 40, .switched = 128 },
		.handle = { .ident = 32, .state = 48, .exiting = 57, .once = 58 },
	},
	{ /* 3.15.2 */
		.version_hex = 0x030f02f0, .build = PY_BUILD_GIL,
		.frame = { .slots = 80, .stack = PY_NONE, .nblocks = PY_NONE, .blocks = PY_NONE,
			.globals = 24 },
		.code = { .names = 32, .variables = 96, .nslots = 72, .stacksize = 64,
			.exceptions = 40, .bytes = PY_NONE },
		.generator = { .frame = 72 },
		.descr = { .name = 24 },
		.gil = { .cond = 32, .switched = 120 },
		.handle = { .ident = 32, .state = 48, .exiting = 57, .once = 58 },
	},
};
/* clang-format on */

const struct py_lock_layout *py_lock_layout_find(const struct py_offsets *off)
{
	const struct py_lock_layout *found = NULL;
	uint16_t newest = PY_MINOR(rows[ARRAY_SIZE(rows) - 1].version_hex);
	uint16_t minor = PY_MINOR(off->version_hex);
	if (minor > newest)
		minor = newest;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (PY_MINOR(rows[i].version_hex) == minor && rows[i].build == off->build)
			found = &rows[i];
	return found;
}
