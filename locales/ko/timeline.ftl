### 단계의 폭포 그림과 그 재생.

# source: 16e45ede
waterfall-title = 시간이 쓰인 곳
# source: 7ec7240a
waterfall-intro = 런타임마다 중앙값 시행 하나를 요청한 순간부터 보인다. 단계를 고르면 그 안에서 무슨 일이 일어나는지 알 수 있다.
# source: 3e308447
waterfall-zoom = 시간 축 확대
# source: 875c2198
waterfall-zoom-in = 확대
# source: c8f9ad33
waterfall-zoom-out = 축소
# source: 3de090e7
waterfall-zoom-all = 전체
# source: 93ba5dbb
waterfall-zoom-reset = 처음으로
# source: 2fac9512
waterfall-earlier = 더 이른 쪽
# source: 9e5da8c8
waterfall-later = 더 늦은 쪽
# source: be351a3c
waterfall-keys = 자판: + − ← → 0
# source: 694d58d0
waterfall-calls = 호출
# source: 4bac9ed3
waterfall-why = 왜 그만큼 드나
# source: ad801a6b
waterfall-removes = 무엇이 없애나
# source: 57d023ba
waterfall-here = 이곳에서
# source: 26254920
waterfall-place = { $begins }에 시작
# source: 0f3888c0
waterfall-place-share = { $begins }에 시작, 부팅 시간의 { $percent } %
# source: a21345b8
waterfall-unknown = 이 단계에 대해 적어 둔 것이 더 없다.
# source: 7379f8ce
waterfall-silent = 밖에서 단계를 볼 수 없는 런타임: { $runtimes }.
# source: d0ed0a79
waterfall-longest = 런타임마다 가장 긴 단계 { $count }개만 그렸다.
# source: 90a02ea0
waterfall-floor = 바닥값(커널 연산만의 비용)까지의 거리는 이번 실행에서 재지 않았다. cargo bench로 잴 수 있다.

# source: 9d815cec
replay-title = 느린 동작으로 다시 보기
# source: bd6b72ff
replay-intro = 모든 런타임이 같은 순간에 요청을 받는다. 1/1000에서는 1 마이크로초가 1 밀리초로 늘어난다.
# source: ef4976cb
replay-play = 재생
# source: e4885636
replay-pause = 멈춤
# source: 0166ed50
replay-back = ‹ 뒤로
# source: 1b6a70b4
replay-step = 앞으로 ›
# source: 61e9c506
replay-restart = 처음부터
# source: 4bf7eee0
replay-speed = 속도
# source: 808c6a7c
replay-seek = 순간
# source: 8cec0f1e
replay-waiting = 기다리는 중
# source: e287daff
replay-finished = { $time } 만에 첫 출력
# source: 7e4db40d
replay-caption = 띠 하나가 중앙값 시행의 단계 하나이고, 표시는 그 런타임의 경주가 끝나는 첫 출력이다. 실제로는 하나씩 차례로 쟀고, 한꺼번에 돌린 적은 없다.
