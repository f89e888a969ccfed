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
