/* SPDX-License-Identifier: MIT */
/* Memory. */
#include "stub/handlers.h"
#include "stub/session.h"

HANDLER(h_read_mem)
{
	struct session *s = session;
	uint64_t addr, len;
	uint8_t bytes[RSP_PACKET_MAX / 2];

	if (!cur_hex(args, &addr) || !cur_char(args, ',') || !cur_hex(args, &len) || !cur_end(args))
		return err_new(ERR_PROTO, "malformed m");
	if (len > sizeof(bytes))
		len = sizeof(bytes); /* a short answer is allowed */
	size_t n = mem_read_some(&s->target->mem, addr, bytes, len);
	if (n == 0 && len)
		return mem_read(&s->target->mem, addr, bytes, 1);
	buf_put_hex(out, bytes, n);
	return NULL;
}

HANDLER(h_write_mem)
{
	(void)session;
	(void)args;
	(void)out;
	return err_new(ERR_UNSUPPORTED, "h_write_mem");
}

HANDLER(h_read_binary)
{
	(void)session;
	(void)args;
	(void)out;
	return err_new(ERR_UNSUPPORTED, "h_read_binary");
}

HANDLER(h_write_binary)
{
	(void)session;
	(void)args;
	(void)out;
	return err_new(ERR_UNSUPPORTED, "h_write_binary");
}

HANDLER(h_search_memory)
{
	(void)session;
	(void)args;
	(void)out;
	return err_new(ERR_UNSUPPORTED, "h_search_memory");
}

HANDLER(h_crc)
{
	(void)session;
	(void)args;
	(void)out;
	return err_new(ERR_UNSUPPORTED, "h_crc");
}
