### 차트와 표를 둘러싼 글, 그리고 터미널에 나오는 글.

# source: 7eb39e74
page-title = 이 컴퓨터에서 격리에 드는 비용: isobench 보고서
# source: 874fee47
page-heading = 이 컴퓨터에서 격리에 드는 비용
# source: 5c77203c
page-interrupted = 중단됨: 계획을 마치기 전에 멈췄다. 그때까지 잰 것을 싣는다.
# source: 43bb4485
page-no-trial = 결과에 시행이 하나도 없다.
# source: 132cf2cc
page-missing = 이번 실행에서 재지 않은 것: { $what }.
# source: 3ed21a42
page-rows = { $count }행
# source: 72be4269
page-as-table = { $title }: 표로 보기
# source: f7b73258
page-method = 어떻게 쟀나
# source: c0b17f4a
page-definitions = 정의와 그 한계: isobench 소스의 docs/method.md.
# source: 2a35cd3d
page-again = 다시 실행하기
# source: db9eedc9
page-seed = { $tool }, 시드 { $seed }. 시드는 시행의 순서를 정할 뿐 시간을 정하지는 않는다.
# source: 0d1f89d0
page-raw = 원자료
# source: b101fd0d
page-data = 이 문서에 담긴 자료: { $what }.
# source: d4f4ecee
page-save = 자료를 JSON으로 저장

# source: 497904fc
data-whole = results.json과 같은 모든 시행
# source: 928cc217
data-rows = 시행마다 숫자 한 줄. 단계와 계수는 이 문서 옆의 results.json에 있다
# source: c923f083
data-summary = 시행이 너무 많아 중앙값과 구간만 담았다. 모든 시행은 옆의 results.json에 있다

# source: 027b5227
missing-start-up = 부팅 시간
# source: 321dead7
missing-phases = 부팅 단계
# source: f134f766
missing-memory = 메모리
# source: fdfedb44
missing-computing = 연산
# source: 07b607e0
missing-work = 메모리 작업과 시스템 호출
# source: 7434164c
missing-exits = VM 이탈

# source: fb539822
terminal-no-trial = 실행한 시행이 없다.
# source: 7c6bf371
terminal-report = 보고서: { $path }
# source: f84ffe33
terminal-first-lines = 모두 { $all }줄, 그중 처음 { $shown }줄:

# source: 6088db67
page-sections = 차례
# source: f33690ff
page-theme = 밝게 / 어둡게
# source: 9e51dc4b
section-phases = 단계
# source: e792b09f
section-replay = 느린 동작
# source: 6fb710e0
section-crossings = 경계 넘기

# source: eca5a454
isolation-title = 눈으로 보는 격리
# source: e596232a
isolation-text = 샌드박스에 호스트의 무엇이 보이는지, 커널의 어느 입구까지 닿는지.
# source: c08175ca
scale-title = 규모
# source: ec65ee75
scale-text = 이 호스트에서 샌드박스가 한꺼번에 몇 개나 사는지, 하나 더하는 데 얼마가 드는지.

# source: 7e491bd7
raw-round = 라운드
# source: eafdd720
raw-counts = 유효
# source: bbf9029c
raw-user = CPU(사용자)
# source: 7e4fc74b
raw-system = CPU(커널)
# source: 5354ded6
raw-shown = 행 표시, 전체
# source: 725c3f31
page-filter = 차트에 보일 것:
# source: 26a73913
reference-title = 견줄 점
# source: add1a52c
reference-text = 사람들이 쓰는 도구를, 이 호스트에서, 같은 프로그램과 같은 시계로.
