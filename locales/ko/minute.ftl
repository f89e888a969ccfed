### 1분 요약 표.

# source: 7736d646
minute-title = 1분 요약
# source: 43278867
minute-aspect = 이번 실행에서
# source: 9151fc9b
minute-container = 컨테이너(container)
# source: 7b2788cb
minute-virtual-machine = 가상 머신(virtual machine)
# source: f16e8216
minute-not-measured = 이번 실행에서 재지 않음
# source: 20a8c8ac
minute-measure = 재려면: { $command }
# source: b6855068
minute-raw = 원자료
# source: a831c1c6
minute-again = 다시 재기:
# source: 032e069a
minute-why = 근거와 명령

# source: 7ba10413
minute-isolation = 격리 수준
# source: db861f32
minute-portability = 이식성
# source: 66e0876b
minute-resources = 자원 사용량
# source: cca7451d
minute-level = 가상화 수준
# source: 72db3b15
minute-boot = 부팅 시간
# source: 734ecb8e
minute-maintenance = 관리 및 유지 보수

# source: d3771e73
minute-calls-host = 시스템 호출 { $calls }번이 호스트 커널에 닿음
# source: dbca29de
minute-one-kernel = 작업 { $workload }의 호출 전부. 호스트의 커널 { $kernel }을 함께 쓴다
# source: 51c5b299
minute-calls-guest = 시스템 호출 { $calls }번이 자기 커널에서 끝남
# source: 5c9e851c
minute-exits = 작업 { $workload } 내내 호스트로 이탈한 횟수는 { $exits }번

# source: 01f6e3c2
minute-same-file = 바이트까지 같은 파일로 작업 { $all }개 중 { $well }개가 바르게 돎
# source: da9c1ca9
minute-needs-linux = 호스트의 커널 { $kernel } 위에서
# source: d39fccb6
minute-needs-kvm = KVM이 필요함(여기서는 { $backend })
# source: 7837a18d
minute-needs-unknown-kvm = KVM이 필요함(여기서는 종류를 알 수 없음)

# source: 4175559f
minute-memory = 프로세스보다 메모리 { $size } 더 씀
# source: 7d36769c
minute-memory-alike = 메모리 { $size }: 프로세스와 잴 수 있는 차이 없음
# source: 64144965
minute-computing = 연산 { $said }
# source: a3cdf774
minute-memory-container-reason = 네임스페이스와 마운트, cgroup을 위한 커널 객체, 그리고 죽은 프로세스를 거두는 첫 프로세스의 몫이다.
# source: e722f55d
minute-memory-vm-reason = 게스트가 자기 커널과 페이지 테이블, 프로그램에 만진 { $guest }은 구조적이다. 감시자(VMM) 자신이 쓰는 { $own }은 구현의 몫이다.

# source: 89daaf0f
minute-level-system = 운영체제 수준: 호스트의 커널을 나눈다
# source: 83ded316
minute-level-hardware = 하드웨어 수준: { $backend }가 만든 가상 CPU와 메모리
# source: c74b45f1
minute-steps = { $count }단계로 짓고, 그중 기계는 없다
# source: a8685974
minute-guest-memory = 준 메모리 { $given }, 만진 메모리 { $touched }

# source: eb8d6ab2
minute-times-process = 프로세스의 { $ratio }
# source: 75b2f6f0
minute-interval = 95 %: { $range }
# source: b2513701
minute-boot-container-reason = 중앙값 시행에서 { $structural }은 네임스페이스, 마운트, 필터를 만들고 프로그램을 불러오는 데 들었다. 구조적이다. { $own }은 이 도구의 방식 때문이고, { $rest }은 알려진 단계에 없는 시간(기다림, 출력)이다.
# source: 140e2b17
minute-boot-vm-reason = 중앙값 시행에서 { $structural }은 자기 기계를 만들고 돌리는 데 들었다. 구조적이다. { $own }은 이 도구의 방식 때문이고, { $rest }은 알려진 단계에 없는 시간(기다림, 출력)이다.

# source: 70c2c1d3
cost-structural = 구조적
# source: 141da94d
cost-implementation = 구현
# source: 1f807bb2
cost-structural-share = 구조적({ $percent } %)
# source: bef26a35
cost-implementation-share = 구현({ $percent } %)
# source: 5b1a478a
cost-legend-structural = 격리 자체에서 나오는 비용
# source: 796dc031
cost-legend-implementation = 더 나은 도구라면 없앨 수 있는 비용
