/* SPDX-License-Identifier: MIT */
#include "qxfer/python/tasks_layout.h"

#include <string.h>

#include "stub/base/image.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define AT(member)    offsetof(struct py_task_layout, member)
#define OFFSET_MAX    (1u << 20) /* of any field that .AsyncioDebug may tell */

/* clang-format off */
const struct py_task_layout py_task_layout_table[] = {
	{ /* 3.6.15 */
		.version_hex = 0x03060ff0, .build = PY_BUILD_GIL,
		.future = { .size = 88, .loop = 16, .callback0 = PY_NONE, .callbacks = 24,
			.state = 56, .awaited_by = PY_NONE, .awaited_by_is_set = PY_NONE },
		.task = { .size = 112, .waiter = 88, .coro = 96, .name = PY_NONE,
			.node = PY_NONE },
		.interp = { .tasks_head = PY_NONE },
		.tstate = { .tasks_head = PY_NONE, .running_loop = PY_NONE },
		.generator = { .frame = 16, .running = 24 },
		.frame = { .pointer = 72, .index = PY_NONE, .depth = PY_NONE, .stack = 64,
			.lasti = 120, .state = PY_NONE, .code = 32, .of_object = PY_NONE },
		.code = { .code = 40 },
		.weakref = { .target = 16 },
		.gc = { .head_size = 32, .runtime = PY_NONE, .interp = PY_NONE,
			.generation0 = PY_NONE, .permanent = PY_NONE },
	},
	{ /* 3.7.16 */
		.version_hex = 0x030710f0, .build = PY_BUILD_GIL,
		.future = { .size = 104, .loop = 16, .callback0 = 24, .callbacks = 40,
			.state = 72, .awaited_by = PY_NONE, .awaited_by_is_set = PY_NONE },
		.task = { .size = 136, .waiter = 104, .coro = 112, .name = PY_NONE,
			.node = PY_NONE },
		.interp = { .tasks_head = PY_NONE },
		.tstate = { .tasks_head = PY_NONE, .running_loop = PY_NONE },
		.generator = { .frame = 16, .running = 24 },
		.frame = { .pointer = 72, .index = PY_NONE, .depth = PY_NONE, .stack = 64,
			.lasti = 104, .state = PY_NONE, .code = 32, .of_object = PY_NONE },
		.code = { .code = 40 },
		.weakref = { .target = 16 },
		.gc = { .head_size = 32, .runtime = 352, .interp = PY_NONE, .generation0 = 496,
			.permanent = 512 },
	},
	{ /* 3.8.18 */
		.version_hex = 0x030812f0, .build = PY_BUILD_GIL,
		.future = { .size = 104, .loop = 16, .callback0 = 24, .callbacks = 40,
			.state = 72, .awaited_by = PY_NONE, .awaited_by_is_set = PY_NONE },
		.task = { .size = 144, .waiter = 104, .coro = 112, .name = 120, .node = PY_NONE },
		.interp = { .tasks_head = PY_NONE },
		.tstate = { .tasks_head = PY_NONE, .running_loop = PY_NONE },
		.generator = { .frame = 16, .running = 24 },
		.frame = { .pointer = 72, .index = PY_NONE, .depth = PY_NONE, .stack = 64,
			.lasti = 104, .state = PY_NONE, .code = 32, .of_object = PY_NONE },
		.code = { .code = 48 },
		.weakref = { .target = 16 },
		.gc = { .head_size = 16, .runtime = 368, .interp = PY_NONE, .generation0 = 440,
			.permanent = 448 },
	},
	{ /* 3.9.18 */
		.version_hex = 0x030912f0, .build = PY_BUILD_GIL,
		.future = { .size = 144, .loop = 16, .callback0 = 24, .callbacks = 40,
			.state = 80, .awaited_by = PY_NONE, .awaited_by_is_set = PY_NONE },
		.task = { .size = 184, .waiter = 144, .coro = 152, .name = 160, .node = PY_NONE },
		.interp = { .tasks_head = PY_NONE },
		.tstate = { .tasks_head = PY_NONE, .running_loop = PY_NONE },
		.generator = { .frame = 16, .running = 24 },
		.frame = { .pointer = 72, .index = PY_NONE, .depth = PY_NONE, .stack = 64,
			.lasti = 104, .state = PY_NONE, .code = 32, .of_object = PY_NONE },
		.code = { .code = 48 },
		.weakref = { .target = 16 },
		.gc = { .head_size = 16, .runtime = PY_NONE, .interp = 640, .generation0 = 712,
			.permanent = 720 },
	},
	{ /* 3.10.13 */
		.version_hex = 0x030a0df0, .build = PY_BUILD_GIL,
		.future = { .size = 152, .loop = 16, .callback0 = 24, .callbacks = 40,
			.state = 88, .awaited_by = PY_NONE, .awaited_by_is_set = PY_NONE },
		.task = { .size = 192, .waiter = 152, .coro = 160, .name = 168, .node = PY_NONE },
		.interp = { .tasks_head = PY_NONE },
		.tstate = { .tasks_head = PY_NONE, .running_loop = PY_NONE },
		.generator = { .frame = 16, .running = PY_NONE },
		.frame = { .pointer = PY_NONE, .index = PY_NONE, .depth = 80, .stack = 64,
			.lasti = 96, .state = 108, .code = 32, .of_object = PY_NONE },
		.code = { .code = 48 },
		.weakref = { .target = 16 },
		.gc = { .head_size = 16, .runtime = PY_NONE, .interp = 640, .generation0 = 712,
			.permanent = 720 },
	},
	{ /* 3.11.7 */
		.version_hex = 0x030b07f0, .build = PY_BUILD_GIL,
		.future = { .size = 128, .loop = 16, .callback0 = 24, .callbacks = 40,
			.state = 88, .awaited_by = PY_NONE, .awaited_by_is_set = PY_NONE },
		.task = { .size = 176, .waiter = 128, .coro = 136, .name = 144, .node = PY_NONE },
		.interp = { .tasks_head = PY_NONE },
		.tstate = { .tasks_head = PY_NONE, .running_loop = PY_NONE },
		.generator = { .frame = 80, .running = PY_NONE },
		.frame = { .pointer = PY_NONE, .index = 64, .depth = PY_NONE, .stack = PY_NONE,
			.lasti = PY_NONE, .state = PY_NONE, .code = PY_NONE, .of_object = 24 },
		.code = { .code = PY_NONE },
		.weakref = { .target = 16 },
		.gc = { .head_size = 16, .runtime = PY_NONE, .interp = 672, .generation0 = 744,
			.permanent = 752 },
	},
	{ /* 3.12.1 */
		.version_hex = 0x030c01f0, .build = PY_BUILD_GIL,
		.future = { .size = 128, .loop = 16, .callback0 = 24, .callbacks = 40,
			.state = 88, .awaited_by = PY_NONE, .awaited_by_is_set = PY_NONE },
		.task = { .size = 176, .waiter = 128, .coro = 136, .name = 144, .node = PY_NONE },
		.interp = { .tasks_head = PY_NONE },
		.tstate = { .tasks_head = PY_NONE, .running_loop = PY_NONE },
		.generator = { .frame = 72, .running = PY_NONE },
		.frame = { .pointer = PY_NONE, .index = 64, .depth = PY_NONE, .stack = PY_NONE,
			.lasti = PY_NONE, .state = PY_NONE, .code = PY_NONE, .of_object = 24 },
		.code = { .code = PY_NONE },
		.weakref = { .target = 16 },
		.gc = { .head_size = 16, .runtime = PY_NONE, .interp = 136, .generation0 = 208,
			.permanent = 216 },
	},
	{ /* 3.13.5, free-threaded */
		.version_hex = 0x030d05f0, .build = PY_BUILD_FREE_THREADED,
		.future = { .size = 120, .loop = 32, .callback0 = 40, .callbacks = 56,
			.state = 112, .awaited_by = PY_NONE, .awaited_by_is_set = PY_NONE },
		.task = { .size = 160, .waiter = 128, .coro = 136, .name = 144, .node = PY_NONE },
		.interp = { .tasks_head = PY_NONE },
		.tstate = { .tasks_head = PY_NONE, .running_loop = 304 },
		.generator = { .frame = 88, .running = PY_NONE },
		.frame = { .pointer = PY_NONE, .index = 64, .depth = PY_NONE, .stack = PY_NONE,
			.lasti = PY_NONE, .state = PY_NONE, .code = PY_NONE, .of_object = 40 },
		.code = { .code = PY_NONE },
		.weakref = { .target = 32 },
		.gc = { .head_size = 16, .runtime = PY_NONE, .interp = PY_NONE,
			.generation0 = PY_NONE, .permanent = PY_NONE },
	},
	{ /* 3.13.18 */
		.version_hex = 0x030d12f0, .build = PY_BUILD_GIL,
		.future = { .size = 104, .loop = 16, .callback0 = 24, .callbacks = 40,
			.state = 96, .awaited_by = PY_NONE, .awaited_by_is_set = PY_NONE },
		.task = { .size = 144, .waiter = 112, .coro = 120, .name = 128, .node = PY_NONE },
		.interp = { .tasks_head = PY_NONE },
		.tstate = { .tasks_head = PY_NONE, .running_loop = 312 },
		.generator = { .frame = 72, .running = PY_NONE },
		.frame = { .pointer = PY_NONE, .index = 64, .depth = PY_NONE, .stack = PY_NONE,
			.lasti = PY_NONE, .state = PY_NONE, .code = PY_NONE, .of_object = 24 },
		.code = { .code = PY_NONE },
		.weakref = { .target = 16 },
		.gc = { .head_size = 16, .runtime = PY_NONE, .interp = 7424,
			.generation0 = 7496, .permanent = 7504 },
	},
	{ /* 3.14.10, free-threaded */
		.version_hex = 0x030e0af0, .build = PY_BUILD_FREE_THREADED,
		.future = { .size = 128, .loop = 32, .callback0 = 40, .callbacks = 56,
			.state = 120, .awaited_by = 112, .awaited_by_is_set = 125 },
		.task = { .size = 192, .waiter = 136, .coro = 144, .name = 152, .node = 168 },
		.interp = { .tasks_head = 17304 },
		.tstate = { .tasks_head = 880, .running_loop = 864 },
		.generator = { .frame = 88, .running = PY_NONE },
		.frame = { .pointer = 64, .index = PY_NONE, .depth = PY_NONE, .stack = PY_NONE,
			.lasti = PY_NONE, .state = PY_NONE, .code = PY_NONE, .of_object = 40 },
		.code = { .code = PY_NONE },
		.weakref = { .target = 32 },
		.gc = { .head_size = 16, .runtime = PY_NONE, .interp = PY_NONE,
			.generation0 = PY_NONE, .permanent = PY_NONE },
	},
	{ /* 3.14.10 */
		.version_hex = 0x030e0af0, .build = PY_BUILD_GIL,
		.future = { .size = 112, .loop = 16, .callback0 = 24, .callbacks = 40,
			.state = 104, .awaited_by = 96, .awaited_by_is_set = 109 },
		.task = { .size = 168, .waiter = 120, .coro = 128, .name = 136, .node = 152 },
		.interp = { .tasks_head = 10880 },
		.tstate = { .tasks_head = 880, .running_loop = 864 },
		.generator = { .frame = 72, .running = PY_NONE },
		.frame = { .pointer = 64, .index = PY_NONE, .depth = PY_NONE, .stack = PY_NONE,
			.lasti = PY_NONE, .state = PY_NONE, .code = PY_NONE, .of_object = 24 },
		.code = { .code = PY_NONE },
		.weakref = { .target = 16 },
		.gc = { .head_size = 16, .runtime = PY_NONE, .interp = 7432,
			.generation0 = 7664, .permanent = 7504 },
	},
	{ /* 3.15.2, free-threaded */
		.version_hex = 0x030f02f0, .build = PY_BUILD_FREE_THREADED,
		.future = { .size = 128, .loop = 32, .callback0 = 40, .callbacks = 56,
			.state = 120, .awaited_by = 112, .awaited_by_is_set = 125 },
		.task = { .size = 192, .waiter = 136, .coro = 144, .name = 152, .node = 168 },
		.interp = { .tasks_head = 17256 },
		.tstate = { .tasks_head = 1048, .running_loop = 1024 },
		.generator = { .frame = 88, .running = PY_NONE },
		.frame = { .pointer = 64, .index = PY_NONE, .depth = PY_NONE, .stack = PY_NONE,
			.lasti = PY_NONE, .state = PY_NONE, .code = PY_NONE, .of_object = 40 },
		.code = { .code = PY_NONE },
		.weakref = { .target = 32 },
		.gc = { .head_size = 16, .runtime = PY_NONE, .interp = PY_NONE,
			.generation0 = PY_NONE, .permanent = PY_NONE },
	},
	{ /* 3.15.2 */
		.version_hex = 0x030f02f0, .build = PY_BUILD_GIL,
		.future = { .size = 112, .loop = 16, .callback0 = 24, .callbacks = 40,
			.state = 104, .awaited_by = 96, .awaited_by_is_set = 109 },
		.task = { .size = 168, .waiter = 120, .coro = 128, .name = 136, .node = 152 },
		.interp = { .tasks_head = 10856 },
		.tstate = { .tasks_head = 1048, .running_loop = 1024 },
		.generator = { .frame = 72, .running = PY_NONE },
		.frame = { .pointer = 64, .index = PY_NONE, .depth = PY_NONE, .stack = PY_NONE,
			.lasti = PY_NONE, .state = PY_NONE, .code = PY_NONE, .of_object = 24 },
		.code = { .code = PY_NONE },
		.weakref = { .target = 16 },
		.gc = { .head_size = 16, .runtime = PY_NONE, .interp = 7408,
			.generation0 = 7568, .permanent = 7480 },
	},
};
/* clang-format on */
const size_t py_task_layout_rows = ARRAY_SIZE(py_task_layout_table);

/* The row for this minor version, or the newest. */
static const struct py_task_layout *find_row(const struct py_offsets *off)
{
	const struct py_task_layout *found = NULL;
	uint16_t newest = PY_MINOR(py_task_layout_table[py_task_layout_rows - 1].version_hex);
	uint16_t minor = PY_MINOR(off->version_hex);
	if (minor > newest)
		minor = newest;
	for (size_t i = 0; i < py_task_layout_rows; i++) {
		const struct py_task_layout *row = &py_task_layout_table[i];
		if (PY_MINOR(row->version_hex) == minor && row->build == off->build)
			found = row;
	}
	return found;
}

/* ---- .AsyncioDebug ---- */

/*
 * struct _Py_AsyncioModuleDebugOffsets, Modules/_asynciomodule.c of 3.14 and 3.15: words,
 * one after the other.  There is no cookie; sizes tell whether it is one.
 */
enum {
	TOLD_TASK_SIZE,
	TOLD_NAME,
	TOLD_AWAITED_BY,
	TOLD_IS_TASK,
	TOLD_AWAITED_BY_IS_SET,
	TOLD_CORO,
	TOLD_NODE,
	TOLD_INTERP_SIZE,
	TOLD_INTERP_HEAD,
	TOLD_THREAD_SIZE,
	TOLD_RUNNING_LOOP,
	TOLD_RUNNING_TASK,
	TOLD_THREAD_HEAD,
	TOLD_WORDS,
};

static const struct {
	uint16_t word, member;
} told_members[] = {
	{ TOLD_TASK_SIZE, AT(task.size) },
	{ TOLD_NAME, AT(task.name) },
	{ TOLD_AWAITED_BY, AT(future.awaited_by) },
	{ TOLD_AWAITED_BY_IS_SET, AT(future.awaited_by_is_set) },
	{ TOLD_CORO, AT(task.coro) },
	{ TOLD_NODE, AT(task.node) },
	{ TOLD_INTERP_HEAD, AT(interp.tasks_head) },
	{ TOLD_RUNNING_LOOP, AT(tstate.running_loop) },
	{ TOLD_THREAD_HEAD, AT(tstate.tasks_head) },
};

static bool fits(const uint64_t *told, const struct py_offsets *off)
{
	uint64_t task = told[TOLD_TASK_SIZE], thread = told[TOLD_THREAD_SIZE];
	if (told[TOLD_INTERP_SIZE] != off->interp.size || off->interp.size == PY_NONE)
		return false;
	return task >= 64 && task < 4096 && thread < OFFSET_MAX && told[TOLD_CORO] + 8 <= task &&
	       told[TOLD_NODE] + 16 <= task && told[TOLD_NAME] + 8 <= task &&
	       told[TOLD_AWAITED_BY] + 8 <= task && told[TOLD_AWAITED_BY_IS_SET] < task &&
	       told[TOLD_RUNNING_LOOP] + 8 <= thread && told[TOLD_THREAD_HEAD] + 16 <= thread &&
	       told[TOLD_INTERP_HEAD] + 16 <= told[TOLD_INTERP_SIZE];
}

static bool read_section(const struct space *s, const struct map *m, uint64_t *told)
{
	_cleanup_image_ struct image img = { .fd = -1 };
	struct image_symbol section;
	struct err *err = image_open(s->mem, m->start, &img);
	if (!err) {
		int fd = s->open_map ? s->open_map(s->ctx, m) : -1;
		if (fd < 0)
			return false;
		err = image_add_file(&img, fd);
	}
	if (err) {
		err_drop(err);
		return false;
	}
	return image_find_section(&img, ".AsyncioDebug", &section) &&
	       section.size >= TOLD_WORDS * sizeof(*told) &&
	       mem_read_some(s->mem, section.addr, told, TOLD_WORDS * sizeof(*told)) ==
		       TOLD_WORDS * sizeof(*told);
}

/* In the module's own file, or in the program or library of which it is a part. */
static bool may_tell(const struct space *s, const struct map *m, bool own)
{
	const char *slash = strrchr(m->path, '/');
	const char *name = slash ? slash + 1 : m->path;
	if (m->offset || !m->inode || !(m->prot & MAP_R) || m->prot & MAP_SHARED_MEM)
		return false;
	bool is_own = strncmp(name, "_asyncio.", 9) == 0;
	return own ? is_own
		   : !is_own && (m == maps_program(s->maps) || strncmp(name, "libpython", 9) == 0);
}

static bool find_told(const struct space *s, const struct py_offsets *off, uint64_t *told)
{
	for (int own = 1; own >= 0; own--)
		for (size_t i = 0; i < s->maps->n; i++)
			if (may_tell(s, &s->maps->map[i], own) &&
			    read_section(s, &s->maps->map[i], told) && fits(told, off))
				return true;
	return false;
}

static void merge_told(const uint64_t *told, struct py_task_layout *lay)
{
	for (size_t i = 0; i < ARRAY_SIZE(told_members); i++)
		*(uint32_t *)((char *)lay + told_members[i].member) =
			(uint32_t)told[told_members[i].word];
}

struct err *py_task_layout_find(const struct space *s, const struct py_offsets *off,
				struct py_task_layout *ret)
{
	const struct py_task_layout *row = find_row(off);
	uint64_t told[TOLD_WORDS];
	if (!row)
		return err_new(ERR_BAD_DATA, "tasks of this build of Python 3.%u are not known",
			       off->version_hex >> 16 & 0xff);
	*ret = *row;
	if (row->task.node != PY_NONE && find_told(s, off, told))
		merge_told(told, ret);
	return NULL;
}
