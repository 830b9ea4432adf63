// One cross-hair through all charts, and what happened in that slice of time.
(() => {
  const run = JSON.parse(document.getElementById('run').textContent);
  const tip = document.getElementById('tip');
  const charts = [...document.querySelectorAll('svg.chart')];
  const clock = (s) => s < 60 ? s.toFixed(1) + ' s' : Math.floor(s / 60) + ':' + (s % 60).toFixed(1).padStart(4, '0');
  const ms = (v) => v === 0 ? '-' : v < 10 ? v.toFixed(2) + ' ms' : v < 1000 ? v.toFixed(0) + ' ms' : (v / 1000).toFixed(2) + ' s';

  function show(event) {
    const box = event.currentTarget.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width * run.width;
    const at = (x - run.left) / run.plot * run.length;
    if (at < 0 || at > run.length) return hide();
    const s = run.slices[Math.min(run.slices.length - 1, Math.floor(at / run.slice))];
    for (const c of charts) c.querySelector('.cross').setAttribute('d', `M${x} 0V${c.dataset.bottom}`);
    const faults = run.faults.filter((f) => f[0] <= at && at <= Math.max(f[1], f[0] + run.slice)).map((f) => f[2]);
    tip.textContent = clock(at) + (faults.length ? '  ' + faults.join(', ') : '') +
      `\nok ${s[0]}  refused ${s[1]}  failed ${s[2]}  unknown ${s[3]}\np50 ${ms(s[4])}  p99 ${ms(s[5])}  max ${ms(s[6])}`;
    tip.style.display = 'block';
    tip.style.left = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8) + 'px';
    tip.style.top = Math.max(8, event.clientY - tip.offsetHeight - 12) + 'px';
  }

  function hide() {
    tip.style.display = 'none';
    for (const c of charts) c.querySelector('.cross').setAttribute('d', '');
  }

  for (const c of charts) {
    c.addEventListener('mousemove', show);
    c.addEventListener('mouseleave', hide);
  }
})();
