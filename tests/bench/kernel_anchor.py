"""ipykernel in the rows of sandbox_bench: start, round trip, interrupt, shutdown, memory."""
import os
import statistics
import sys
import threading
import time

try:
    from jupyter_client.manager import start_new_kernel
    import ipykernel  # noqa: F401
except ImportError:
    sys.exit(1)


def row(what, seconds):
    ms = sorted(1000 * s for s in seconds)
    p95 = ms[min(len(ms) - 1, int(0.95 * len(ms)))]
    print("%-52s %6d %9.2f %9.2f %9.2f" % ("anchor: ipykernel: " + what, len(ms), statistics.median(ms), ms[0], p95))


def main():
    starts, trips, interrupts, ends = [], [], [], []
    for _ in range(3):
        begun = time.perf_counter()
        manager, client = start_new_kernel(kernel_name="python3")
        starts.append(time.perf_counter() - begun)
        for _ in range(30):
            begun = time.perf_counter()
            client.execute_interactive("1+1", store_history=False, output_hook=lambda m: None)
            trips.append(time.perf_counter() - begun)
        asked = []

        def stop():
            time.sleep(0.3)
            asked.append(time.perf_counter())
            manager.interrupt_kernel()

        threading.Thread(target=stop).start()
        client.execute_interactive("while True: pass", output_hook=lambda m: None)
        interrupts.append(time.perf_counter() - asked[0])
        pid = manager.provisioner.process.pid
        with open("/proc/%d/smaps_rollup" % pid) as rollup:
            private = sum(int(line.split()[1]) for line in rollup if line.startswith("Private_"))
        begun = time.perf_counter()
        client.stop_channels()
        manager.shutdown_kernel(now=False)
        ends.append(time.perf_counter() - begun)
    row("start, ready for code", starts)
    row("round trip of 1+1", trips)
    row("interrupt of a loop", interrupts)
    row("shutdown", ends)
    print("%-52s %6d %9.2f MiB" % ("anchor: ipykernel: private memory, nothing imported", 1, private / 1024))


os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
main()
