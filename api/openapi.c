/* The reference of this API, in the program itself: what a node answers under /openapi.yaml is what
 * it was built with. The assembler takes the file in; the Makefile knows that this depends on it.
 */
#include "api/handlers.h"

__asm__(".pushsection .rodata\n"
        ".global florin_openapi_begin\n"
        ".global florin_openapi_end\n"
        "florin_openapi_begin:\n"
        ".incbin \"api/openapi.yaml\"\n"
        "florin_openapi_end:\n"
        ".popsection\n");

extern const char florin_openapi_begin[];
extern const char florin_openapi_end[];

int handle_openapi(struct exchange *x)
{
    bytes_append(x->out, florin_openapi_begin, (size_t)(florin_openapi_end - florin_openapi_begin));
    x->content_type = "application/yaml";
    return 0;
}
