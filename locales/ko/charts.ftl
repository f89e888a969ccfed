### 차트의 제목, 설명, 대체 글.

# source: d0b78a68
axis-logarithmic = 축은 로그 눈금이다.

# source: 86b5dde1
chart-start-up = 부팅 시간: 요청부터 첫 출력까지
# source: 35d7915c
chart-start-up-alternative = 런타임별 부팅 시간(로그 축). { $said }
# source: ed99b6d2
chart-start-up-caption = 위: 그 시간까지 시작한 시행의 비율. 왼쪽에 있는 곡선일수록 빠르다. 아래: 점 하나가 시행 하나, 막대와 숫자가 중앙값이다. 축은 로그 눈금이라 같은 거리는 같은 배율이다.
# source: 9fd2268b
chart-start-up-thinned = 시행이 많아 최솟값과 최댓값을 포함한 고른 간격의 분위수만 보인다.


# source: 47ac67c8
chart-memory-caption = 최대 PSS, 그리고 cgroup이 있으면 거기 매겨진 커널 메모리를 가장 옅은 색으로 그 뒤에 붙였다. 가상 머신의 PSS는 둘로 나뉜다. 게스트가 만진 메모리(준 양이 아니다)와 VMM 자신이 쓰는 메모리이다.
# source: a3b94ffa
part-guest-touched = 게스트가 만진 양
# source: 36e7bcdf
part-vmm = VMM
# source: 3ef9e582
part-pss = PSS
# source: 71b4f48d
part-kernel = 커널
# source: d12f8e8b
chart-memory-given = 준 양 { $size }

# source: beed6f19
chart-computing = 연산: 같은 작업에 걸린 시간
# source: 556d624c
chart-work = 메모리와 시스템 호출: 같은 작업에 걸린 시간
# source: 8adaedf2
chart-work-alternative = { $title }, process 대비, 작업별. { $said }
# source: 9e2433c3
chart-work-caption = process = 1로 놓고 견준다. 오른쪽일수록 느리다. 수염은 95 % 구간이고, 회색 띠는 잡음 하한, 곧 process가 자기 자신과 다른 정도이다.
# source: 935856a0
chart-see-table = 숫자는 아래 표에 있다.

# source: c7be157c
chart-exits-alternative = 시행 한 번의 이유별 VM 이탈. { $most }.
# source: b68d4a00
chart-exits-caption = 시스템 호출이 프로그램에서 커널로 넘어가듯, 이탈은 게스트에서 호스트로 넘어간다. 작업이 자기 게스트 커널에 부탁한 일은 여기 나오지 않는다. 호스트에 닿지 않기 때문이다.
# source: 9e2a0500
chart-time-in-vmm = VMM에서 쓴 시간
