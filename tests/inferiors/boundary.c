/* SPDX-License-Identifier: MIT */
/*
 * A C extension of Python with call(f): C calls f, by a function of its own that no
 * dynamic symbol names.  It is declared here what little of Python's stable ABI it
 * takes, so that one file built without Python's headers serves every version.  With
 * FREE_THREADED it is for such builds, whose objects begin otherwise (Include/object.h).
 */
#include <stddef.h>

#ifdef FREE_THREADED
struct object {
	void *thread;
	unsigned short flags;
	unsigned char mutex, gc_bits;
	unsigned int local_refs;
	ptrdiff_t shared_refs;
	void *type;
};
#define IMMORTAL .flags = 4 /* static */, .local_refs = 0xffffffff
#else
struct object {
	ptrdiff_t refs;
	void *type;
};
#define IMMORTAL .refs = 1
#endif

struct method {
	const char *name;
	struct object *(*call)(struct object *self, struct object *arg);
	int flags;
	const char *doc;
};

struct module {
	struct object object;
	void *init;
	ptrdiff_t index;
	void *copy;
	const char *name, *doc;
	ptrdiff_t size;
	struct method *methods;
	void *slots, *traverse, *clear, *free;
};

#define METH_O	    8
#define API_VERSION 3 /* PYTHON_ABI_VERSION */

struct object *PyObject_CallFunctionObjArgs(struct object *f, ...);
struct object *PyModule_Create2(struct module *def, int version);
int PyUnstable_Module_SetGIL(struct object *module, void *gil);

static __attribute__((noinline)) struct object *call_in_c(struct object *f)
{
	struct object *result = PyObject_CallFunctionObjArgs(f, NULL);
	__asm__ volatile("" ::: "memory"); /* not a tail call */
	return result;
}

static struct object *boundary_call(struct object *self, struct object *f)
{
	(void)self;
	struct object *result = call_in_c(f);
	__asm__ volatile("" ::: "memory");
	return result;
}

static struct method methods[] = { { "call", boundary_call, METH_O, NULL }, { NULL } };
static struct module def = {
	.object = { IMMORTAL }, .name = "boundary", .size = -1, .methods = methods
};

struct object *PyInit_boundary(void);
struct object *PyInit_boundary(void)
{
	struct object *module = PyModule_Create2(&def, API_VERSION);
#ifdef FREE_THREADED
	PyUnstable_Module_SetGIL(module, (void *)1); /* Py_MOD_GIL_NOT_USED: or there will be one */
#endif
	return module;
}
