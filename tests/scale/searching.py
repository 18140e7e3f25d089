"""`python -m tests.scale.searching PORT COOKIE`: eight who search for names that nobody has, until standard input ends; then it says how many searches were answered.

A process of its own: threads beside those who measure would take their turns, and the server be blamed for it.
"""

import http.client
import sys
import threading

SEARCHERS = 8
LISTS = ("credits/ledgerentry", "usage/usageevent", "usage/denial", "credits/usagecounter")


def main(port: int, cookie: str) -> None:
    over, answered = threading.Event(), list[int]()

    def search(number: int) -> None:
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        asked = 0
        while not over.is_set() or not asked:
            path = f"/admin/{LISTS[number % len(LISTS)]}/?q=nobody-{number}-{asked}"
            line.request("GET", path, headers={"Cookie": cookie})
            answer = line.getresponse()
            answer.read()
            answered.append(answer.status)
            asked += 1
        line.close()

    threads = [threading.Thread(target=search, args=(number,)) for number in range(SEARCHERS)]
    for each in threads:
        each.start()
    sys.stdin.read()
    over.set()
    for each in threads:
        each.join()
    sys.stdout.write(f"{answered.count(200)}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
