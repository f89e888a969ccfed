### isobench density가 잰 것.

# source: 51fb8af0
density-title = 이 기계에 샌드박스가 몇 개 들어가는가
# source: 1ed35839
density-facts = 모든 샌드박스에서 { $workload } 실행 · { $time } 걸림

# source: 4d9924c9
density-ended-planned = 요청한 만큼 다 띄웠다
# source: 5decb00d
density-ended-interrupted = 사용자가 멈췄다
# source: d7699af4
density-ended-launch-failed = 다음 것을 시작할 수 없었다: { $reason }
# source: 10cefa80
density-ended-limit-memory = 메모리가 먼저 다했다: { $name }에 { $free } 남았고, 그중 { $reserve }는 비워 둔다
# source: c39778b9
density-ended-limit-files = 열린 파일이 먼저 다했다: { $name }에 { $free } 남았고, 그중 { $reserve }는 비워 둔다
# source: ae83b0d4
density-ended-limit-processes = 프로세스가 먼저 다했다: { $name }에 { $free } 남았고, 그중 { $reserve }는 비워 둔다
# source: 9ac72f82
density-silent = 기다리는 동안 아무것도 출력하지 않는다: 부팅 시간은 요청 → 첫 명령
# source: e9e212d5
density-bad-ends = { $number }개가 제대로 끝나지 않았다. 첫 번째: { $how }

# source: 7369c603
density-alive = 동시에 살아 있는 샌드박스
# source: 0fdbb0ac
density-alive-note = 부팅 시간은 요청 → 첫 출력이며, 시작한 것 가운데 처음 10분의 1과 마지막 10분의 1의 중앙값이다. 호스트 메모리는 첫 샌드박스부터 마지막 샌드박스까지 MemAvailable이 줄어든 양 ÷ 개수이다. 기울기는 시작을 여러 구간으로 나눈 중앙값과 그 95 % 구간이다.
# source: f965b4a2
density-column-why = 더 띄우지 않은 까닭
# source: 71f4b5cc
density-column-alive = 살아 있는 수
# source: 54d7dbf0
density-column-first = 부팅 시간, 처음
# source: f608a065
density-column-last = 부팅 시간, 마지막
# source: e45bf3b5
density-column-host = 하나의 호스트 메모리
# source: 3a92149e
density-column-teardown = 모두 정리한 시간
# source: 9bd0f6e4
density-growth = 처음의 { $ratio }
# source: 46b013f8
density-slope = 기울기 { $size }

# source: 7295c3c9
density-memory = 살아 있는 수에 따른 샌드박스 하나의 메모리
# source: 7bd8f515
density-memory-note = 열마다 숨기는 것이 있다. 호스트의 관점: MemAvailable이 줄어든 양 ÷ 개수. PSS: 몇 개의 평균으로, 페이지를 그 사용자 수로 나누므로 함께 쓰는 것이 많을수록 준다. 커널은 알지 못한다. 커널: 호스트 전체의 슬랩, 페이지 테이블, 커널 스택, CPU별 메모리가 늘어난 양 ÷ 개수. cgroup: 끝날 때 자기 cgroup에 매겨진 커널 몫과 최댓값. 컨테이너가 아닌 것은 메모리를 보는 곳에서만, 시작한 뒤에 cgroup에 넣는다.
# source: f73231d0
density-column-host-view = 호스트의 관점
# source: 69cf63c2
density-column-pss = PSS
# source: 3171e72e
density-column-kernel = 커널
# source: 95c30bfe
density-column-cgroup-kernel = cgroup, 커널
# source: c3bbbd0c
density-column-cgroup-peak = cgroup, 최대

# source: 5179ea1c
density-rates = 생성 속도
# source: fdabb36b
density-rates-note = 시작기마다 샌드박스를 만들고, 출력을 읽고, 아무것도 남지 않을 때까지 기다린 다음, 다음 것을 만든다. 동시에: 처리량 × 평균 지연 시간으로, 리틀의 법칙(Little's law)에 따라 평균적으로 존재한 수이다. 시작기 수보다 클 수 없고, 모자란 만큼은 두 샌드박스 사이에 시작기가 한 일이다. 법칙을 어기는 행은 무효이다.
# source: 946ffba3
density-column-starters = 시작기
# source: ad03ef6f
density-column-per-second = 초당
# source: 60205fc2
density-column-latency = 지연 시간
# source: dee34478
density-column-latency-95 = 95 %가 드는 시간
# source: 5226feb5
density-column-output = 첫 출력
# source: 3939de44
density-column-existing = 동시에
# source: d56d608b
density-column-busy = CPU 사용률
# source: b5d681d1
density-column-failed = 실패
# source: ff79bcf6
density-impossible = 무효: 리틀의 법칙에 어긋난다
# source: 2ce419fe
density-existing = { $starters } 중 { $existing }

# source: efc60f4a
density-skipped = 참여하지 않은 런타임
# source: 414dd86a
density-column-fix = 고치는 방법

# source: d81b2400
density-said-alive = 동시에 { $count }개
# source: dc19e524
density-said-alive-memory = 동시에 { $count }개, 하나에 호스트 메모리 { $size }
# source: fa92c7a8
density-said-start-up = 부팅 시간은 처음 { $first }, 마지막 { $last }
# source: 9aa81085
density-said-rate = { $starters ->
   *[other] 시작기 { $starters }개로 초당 { $rate }개를 만들고 정리
}

# source: 050cfc1f
density-chart-alive = 살아 있는 샌드박스
# source: 7a048ecc
density-chart-start-up = 다른 샌드박스가 살아 있는 동안의 부팅 시간
# source: 664d45ef
density-chart-start-up-alternative = 살아 있는 샌드박스 수에 따른 부팅 시간
# source: 927bfb56
density-chart-start-up-axis = 요청 → 첫 출력
# source: 1781a831
density-chart-start-up-caption = 점 하나가 시작 한 번, 선은 이웃한 몇 개의 중앙값이다. 세로축은 로그 눈금이다. 선이 평평하면 살아 있는 이웃이 새 샌드박스를 늦추지 않는다는 뜻이다.
# source: da2bb8b1
density-chart-memory = 샌드박스를 더할 때의 호스트 메모리
# source: 78cec5d4
density-chart-memory-alternative = 살아 있는 샌드박스 수에 따라 쓰인 호스트 메모리
# source: 661e6c68
density-chart-memory-axis = 쓰인 호스트 메모리
# source: a1463f8d
density-chart-memory-caption = 첫 샌드박스 전부터 호스트의 MemAvailable이 줄어든 양이다. 기울기가 하나를 더할 때의 비용이며 커널 메모리도 든다. 그동안 호스트의 다른 프로그램이 쓰거나 돌려준 양도 섞여 있다.
# source: 458f42f7
density-chart-rate = 생성 속도
# source: 7e76cae5
density-chart-rate-alternative = 나란히 일하는 시작기 수에 따른 생성 속도
# source: 5dfe94f4
density-chart-rate-axis = 초당 만들고 정리한 수
# source: 48c77da2
density-chart-starters = 나란히 일하는 시작기
# source: a1948c48
density-chart-rate-caption = 1초에 만들어 출력까지 실행하고 정리한 샌드박스 수이며, 축은 로그 눈금이다. CPU가 바쁘거나 커널이 서로를 기다리게 하는 곳에서 더 늘지 않는다.
