/* The page's style and script, taken in by the assembler: they stay files that an editor knows. */
#include "jepsen/report_private.h"

__asm__(".pushsection .rodata\n"
        "report_css:\n"
        ".incbin \"jepsen/report.css\"\n"
        "report_css_end:\n"
        "report_js:\n"
        ".incbin \"jepsen/report.js\"\n"
        "report_js_end:\n"
        ".popsection\n");

extern const char report_css[], report_css_end[], report_js[], report_js_end[];

struct slice report_style(void)
{
    return (struct slice){report_css, (size_t)(report_css_end - report_css)};
}

struct slice report_script(void)
{
    return (struct slice){report_js, (size_t)(report_js_end - report_js)};
}
