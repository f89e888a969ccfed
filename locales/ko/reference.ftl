# source: 27b2c03c
reference-note = 발표된 값은 다른 하드웨어에서, 흔히 다른 시계로 잰 것이다. 크기의 정도를 알려 줄 뿐이며 이 실행의 값과 섞지 않는다. 출처가 무엇에서 쟀는지 말하지 않으면 여기서도 말하지 않는다.
# source: ad45da7c
reference-column-here = 이 실행
# source: 6c3b1129
reference-column-published = 발표된 값
# source: 503bb274
reference-column-source = 출처
# source: e8777463
reference-per-second = 초당 { $count }
# source: 08026a9d
reference-start-up = 시작 시간
# source: 3778fe08
reference-guest-boot = 시작 시간 가운데 게스트의 몫
# source: 0d0cac3b
reference-manager = 시작 시간 가운데 VM 관리자의 몫
# source: 17a722ef
reference-creation-rate = 생성 속도
# source: 38240a26
reference-memory = 샌드박스 하나의 메모리
# source: 5e1eac04
reference-system-call = 시스템 콜 한 번
# source: 42624402
reference-computing = 계산, 격리가 없을 때와 견주어
# source: 3f644cc9
reference-read-project = 그 프로젝트의 문서를 읽었다
# source: 055e319f
reference-read-abstract = 논문의 초록을 읽었다
# source: bc40a182
reference-read-quoted = 원문을 읽은 이들이 인용한 값이며 원문은 읽지 못했다
# source: 191151d1
reference-clock-request_to_output = 요청 → 첫 출력
# source: 1b59ac5b
reference-clock-above_process = 일반 프로세스보다 더 드는 PSS
# source: bc8893aa
reference-clock-built_in = 계산 작업들의 평균
# source: 87093433
reference-clock-raw_call = 여러 번 되풀이해 잰 한 번
# source: 99bde5c7
reference-clock-instance_start_to_init = 시작 요청 → 게스트의 init. 관리자를 띄우는 시간은 뺀다
# source: 9aeb8566
reference-clock-vmm_without_guest = 관리자 자신의 몫. 게스트의 메모리는 뺀다
# source: 8967eade
reference-clock-process_to_api = 관리자 프로세스의 시작 → 소켓의 응답
# source: a6471207
reference-clock-per_host = 호스트 하나에서
# source: f84a466a
reference-clock-create_and_boot = 만들고 부팅하기까지
# source: 13f748b1
reference-clock-process = 프로세스 하나
# source: ff69adad
reference-clock-vmm_and_guest = 관리자와 게스트
# source: b4b554db
reference-clock-first_instruction_to_main = 게스트의 첫 명령 → main()
# source: bfb9143f
reference-clock-create_run_return = 만들고, 함수를 실행하고, 돌아오기까지
# source: 91895a83
reference-clock-whole_command = 명령 전체, 처음부터 끝까지
# source: ece2a209
reference-clock-fall_of_available = 사용 가능한 메모리가 줄어든 양 ÷ 개수
# source: de1eaa12
reference-clock-linpack = Linpack, 네이티브 ÷ 가상
# source: 6f838961
reference-tools = 이 실행의 외부 도구
# source: 695158cc
reference-column-version = 버전
# source: 2a433f68
reference-column-differences = 여전히 다른 점
# source: 0f1417ca
reference-column-daemon = 데몬, 유휴 상태
# source: f4a4560c
reference-published = 다른 이들이 발표한 값
# source: 91db774b
reference-column-system = 시스템
